/**
 * Makes hosts known to a controller and leaves each one's enrolment token in a file of its name, for the containers of
 * docker-compose.yml: `node dist/tools/enrol-hosts.js host-1 host-2`. Hosts that are known already are left alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DroverClient } from '#client';

const setting = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; see the service "hosts" in docker-compose.yml.`);
  return value;
};

try {
  const token = readFileSync(setting('DROVER_ADMIN_TOKEN_FILE'), 'utf8').trim();
  const client = new DroverClient({ url: setting('DROVER_URL'), token });
  const folder = setting('DROVER_ENROLMENT_DIR');
  const cluster =
    (await client.clusters.list()).items[0] ??
    (await client.clusters.create({ name: 'datacenter', schedulingPolicy: { name: 'evenly_distributed' } }));
  for (const name of process.argv.slice(2)) {
    if ((await client.hosts.list({ name })).items.length > 0) continue;
    const { enrolmentToken } = await client.hosts.create({ name, clusterId: cluster.id });
    writeFileSync(join(folder, name), enrolmentToken, { mode: 0o600 });
    console.log(`${name} may enrol`);
  }
} catch (error) {
  console.error(`drover: ${(error as Error).message}`);
  process.exitCode = 1;
}
