/** vCPUs that a guest goes without while it migrates, with its own help. */
import type { GuestAgent } from '#hypervisor';

/** How many of the guest's vCPUs could go offline; 0 if it does not tell. */
export async function countOfflinable(agent: GuestAgent | null): Promise<number> {
  const vcpus = await agent?.vcpus().catch(() => []);
  return vcpus?.filter(({ isOnline, canOffline }) => isOnline && canOffline).length ?? 0;
}

/** Ids of `count` vCPUs that may go offline: those with the highest. Throws if there are fewer. */
export async function chooseOfflinable(agent: GuestAgent, count: number): Promise<number[]> {
  const vcpus = (await agent.vcpus()).filter(({ isOnline, canOffline }) => isOnline && canOffline);
  if (vcpus.length < count) throw new Error(`the guest lets only ${vcpus.length} of its vCPUs go offline`);
  const ids = vcpus.map(({ logicalId }) => logicalId); // guests list them in any order
  return ids.toSorted((a, b) => a - b).slice(-count);
}

/** Throws if the guest does not. */
export async function setOnline(agent: GuestAgent, ids: readonly number[], isOnline: boolean): Promise<void> {
  const changed = await agent.setVcpus(ids.map((logicalId) => ({ logicalId, isOnline })));
  if (changed < ids.length) throw new Error(`the guest changed ${changed} of ${ids.length} vCPUs`);
}
