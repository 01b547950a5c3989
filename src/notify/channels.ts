import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import { Secret } from "../secret.ts";
import type { System } from "../system/schema.ts";
import { fileChannel } from "./channel-file.ts";
import { webhookChannel } from "./channel-webhook.ts";
import type { Channel } from "./notice.ts";

/**
 * The channels of the configuration; secrets are taken from `env`.
 * @throws NOTIFY_SECRET_MISSING when a webhook names an environment variable that is not set.
 */
export function channelsOf(
  system: { readonly notify: Pick<System["notify"], "channels"> },
  clock: Clock,
  env: Readonly<Record<string, string | undefined>>,
): Channel[] {
  return system.notify.channels.map((channel) => {
    if (channel.kind === "file") return fileChannel(channel.path);
    const { url, secret } = channel;
    return webhookChannel({ url, clock, ...(secret === undefined ? {} : { secret: secretOf(secret.env, env) }) });
  });
}

function secretOf(name: string, env: Readonly<Record<string, string | undefined>>): Secret {
  const value = env[name];
  if (value !== undefined && value !== "") return new Secret(value, `webhook key ${name}`);
  throw new SunnyError("NOTIFY_SECRET_MISSING", `Cannot sign webhook requests: ${name} is not set`, {
    hint: `Set ${name}, or remove notify.channels[].secret from the configuration.`,
  });
}
