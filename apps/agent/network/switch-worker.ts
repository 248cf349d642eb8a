/** The thread of a host's switch: frames flow here, whatever else the agent is busy with. */
import { parentPort, workerData } from 'node:worker_threads';
import { Fabric } from './fabric.js';
import type { FromSwitch, SwitchCalls, ToSwitch } from './switch-messages.js';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
const tell = (message: FromSwitch) => parentPort!.postMessage(message);

const { agentToken } = workerData as { agentToken: string };
const fabric = new Fabric(agentToken, {
  nowMs: () => performance.now(),
  log: (message) => tell({ kind: 'log', message }),
});

type Handlers = { [Call in keyof SwitchCalls]: (argument: SwitchCalls[Call]['argument']) => unknown };
const handlers: Handlers = {
  listen: ({ host, port }) => fabric.listen(host, port),
  plug: (port) => fabric.plug(port),
  unplug: (id) => fabric.unplug(id),
  traffic: () => fabric.traffic(),
  setPeers: ({ hostId, peers }) => fabric.setPeers(hostId, peers),
};

parentPort!.on('message', async ({ id, call, argument }: ToSwitch) => {
  try {
    const answer = await handlers[call](argument as never);
    tell({ kind: 'answer', id, answer, error: null });
  } catch (error) {
    tell({ kind: 'answer', id, answer: null, error: (error as Error).message });
  }
});
