output "web_hosts" {
  description = "Names of the hosts that serve the API."
  value       = [for host in terraform_data.web : host.output.name]
}

output "database" {
  description = "Name of the database."
  value       = terraform_data.database.output.name
}
