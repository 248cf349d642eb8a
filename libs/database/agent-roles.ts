import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';

/** Group of all agents' roles: what BullMQ's worker needs in the queue's schema. */
const GROUP = 'drover_agent';

/** Names that go into DDL, which takes no parameters. */
const quoted = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`;

const SCRAM_ITERATIONS = 4096;

/** What PostgreSQL keeps of a password (RFC 5803). Made here, so that the password itself is in no statement or log. */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const keyOf = (purpose: string) => createHmac('sha256', salted).update(purpose).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/**
 * The PostgreSQL roles of agents. A role is called like its host's queue, so that "rows of my queue only" is one
 * comparison in a row-level policy. It may use the queue's schema and nothing else: other schemas are closed to it.
 */
export class AgentRoles {
  constructor(
    private readonly db: DataSource,
    private readonly schema: string,
  ) {}

  /** Closes the schema's tables row by row and opens them to the group. Run at each start: an upgrade may add tables. */
  async protect(): Promise<void> {
    const schema = quoted(this.schema);
    await this.db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(hashtext('drover:agent-roles'))`);
      await tx.query(
        `DO $$ BEGIN CREATE ROLE ${GROUP} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
      );
      await tx.query(`GRANT USAGE ON SCHEMA ${schema} TO ${GROUP}`);
      await tx.query(`GRANT SELECT ON ${schema}.migration TO ${GROUP}`);
      await tx.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${GROUP}`);
      const tables: { table: string; column: string }[] = await tx.query(
        `SELECT c.table_name AS table, c.column_name AS column
           FROM information_schema.columns c
          WHERE c.table_schema = $1
            AND (c.column_name = 'queue' OR (c.table_name = 'job_dependency' AND c.column_name = 'parent_queue'))`,
        [this.schema],
      );
      for (const { table, column } of tables) {
        const name = `${schema}.${quoted(table)}`;
        await tx.query(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`);
        await tx.query(`DROP POLICY IF EXISTS own_queue ON ${name}`);
        await tx.query(`CREATE POLICY own_queue ON ${name} TO ${GROUP} USING (${quoted(column)} = current_user)`);
        await tx.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${GROUP}`);
      }
    });
  }

  /** Lets the agent in with this password, and with no older one. */
  async grant(role: string, password: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [known] = await tx.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
      const verb = known ? 'ALTER' : 'CREATE';
      await tx.query(
        `${verb} ROLE ${quoted(role)} LOGIN INHERIT CONNECTION LIMIT 10 PASSWORD '${scramVerifier(password)}'`,
      );
      await tx.query(`GRANT ${GROUP} TO ${quoted(role)}`);
    });
  }

  async revoke(role: string): Promise<void> {
    await this.db.query(`DROP ROLE IF EXISTS ${quoted(role)}`);
  }
}
