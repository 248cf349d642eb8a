/** This agent's calls to the controller: enrol once, then a heartbeat each second, and at times a certificate. */
import { Enrolled, type Enrol, type Heartbeat, HeartbeatAnswer, HostCertificate, Problem } from '#contracts';

const TIMEOUT_MS = 10_000;

/** The controller answered, but not with success. */
export class ControllerRefusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ControllerRefusal';
  }
}

export class ControllerLink {
  /** When it last answered a heartbeat; at first, when this began. */
  answeredAtMs = Date.now();

  constructor(private readonly url: string) {}

  /** Throws ControllerRefusal, or another Error if the controller does not answer. */
  async enrol(token: string, enrol: Enrol): Promise<Enrolled> {
    return Enrolled.parse(await this.post('/api/v1/agents/enrol', token, enrol));
  }

  /** Throws as `enrol` does. */
  async beat(token: string, heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    const answer = HeartbeatAnswer.parse(await this.post('/api/v1/agents/heartbeat', token, heartbeat));
    this.answeredAtMs = Date.now();
    return answer;
  }

  /** Throws as `enrol` does. */
  async certify(token: string, certificateRequest: string): Promise<HostCertificate> {
    return HostCertificate.parse(await this.post('/api/v1/agents/certificate', token, { certificateRequest }));
  }

  private async post(path: string, token: string, body: object): Promise<unknown> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: Error) => {
      const cause = error.cause instanceof Error ? error.cause.message : error.message;
      throw new Error(`no answer from the controller at ${this.url}: ${cause}`, { cause: error });
    });
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return answer;
    const problem = Problem.safeParse(answer);
    const { title, detail } = problem.data ?? { title: response.statusText, detail: undefined };
    throw new ControllerRefusal(response.status, `${response.status} ${detail ?? title}`);
  }
}
