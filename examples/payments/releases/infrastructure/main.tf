# What the API runs on. On one machine nothing real stands behind it: terraform_data keeps the values in the state, so
# that plan and apply do all they do elsewhere, without a provider and without a network.

resource "terraform_data" "network" {
  input = {
    name = "payments-${var.environment}"
    cidr = "10.20.0.0/16"
  }
}

resource "terraform_data" "web" {
  count = var.web_hosts

  input = {
    name    = "web-${count.index + 1}"
    network = terraform_data.network.output.name
  }
}

resource "terraform_data" "database" {
  input = {
    name             = "payments-${var.environment}"
    backup_retention = 14
  }

  lifecycle {
    prevent_destroy = true
  }
}
