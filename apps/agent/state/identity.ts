/** Who this host is: the token it made for itself, and what the controller answered when it enrolled. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Enrolled } from '#contracts';
import { ConfigError } from '../config.js';
import { writeAtomically } from './json-store.js';

const IdentityFile = z.object({ agentToken: z.string().min(32), enrolled: Enrolled.nullable() });

export class Identity {
  private constructor(
    private readonly file: string,
    private content: z.infer<typeof IdentityFile>,
  ) {}

  /** Reads it from the agent's folder, or makes a new one there. Throws ConfigError if what is there cannot be read. */
  static open(dir: string): Identity {
    const file = join(dir, 'identity.json');
    if (existsSync(file)) {
      try {
        return new Identity(file, IdentityFile.parse(JSON.parse(readFileSync(file, 'utf8'))));
      } catch {
        throw new ConfigError(`${file} is damaged; remove it, and give this host a new enrolment token.`);
      }
    }
    const identity = new Identity(file, { agentToken: randomBytes(32).toString('base64url'), enrolled: null });
    identity.save(); // before it is told to anybody, so that a second attempt to enrol is the same agent
    return identity;
  }

  /** Bearer of orders to this agent, and key of the tickets that let other agents in. */
  get agentToken(): string {
    return this.content.agentToken;
  }

  get enrolled(): Enrolled | null {
    return this.content.enrolled;
  }

  enrol(enrolled: Enrolled): void {
    this.content = { ...this.content, enrolled };
    this.save();
  }

  private save(): void {
    writeAtomically(this.file, JSON.stringify(this.content, null, 2));
  }
}
