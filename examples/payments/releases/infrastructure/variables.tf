variable "environment" {
  description = "Which environment this is; part of every name."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.environment))
    error_message = "Small letters, digits and dashes only."
  }
}

variable "web_hosts" {
  description = "How many hosts serve the API."
  type        = number
  default     = 4

  validation {
    condition     = var.web_hosts >= 2
    error_message = "With fewer than two hosts a deployment cannot keep the service up."
  }
}
