/** Switching hosts on and off: how it is done for each host, what was ordered, what it has taken. */
import { z } from 'zod';
import { Id, Timestamp } from './common.js';

/** Option lines of fence agents end at a line break, so no value may have one. */
const line = (max: number) =>
  z
    .string()
    .max(max)
    // oxlint-disable-next-line no-control-regex
    .regex(/^[^\x00-\x1f\x7f]*$/, 'leave out line breaks and other control characters');
const Address = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9][A-Za-z0-9.:_-]*$|^::[0-9a-fA-F:.]*$/, 'give a host name or an IP address');
const Port = z.int().min(1).max(65_535);
const Options = z
  .record(z.string().regex(/^[A-Za-z][\w-]{0,62}$/, 'use the names that the agent itself tells'), line(500))
  .default({});
/** A file in the controller's folder of such programs: nobody can name one elsewhere by this API. */
const ProgramName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'name a file in the folder, without a path');

/** An agent of the package fence-agents, installed beside the controller. */
export const FenceAgentPower = z.object({
  type: z.literal('fence_agent'),
  /** Such as fence_ipmilan, fence_redfish, fence_virsh. */
  agent: z.string().regex(/^fence_[a-z0-9_]{1,60}$/, 'name an agent such as fence_ipmilan or fence_redfish'),
  /** Of the BMC, or of whatever else switches the host. */
  address: Address,
  /** The agent's own default if left out. */
  port: Port.nullable().default(null),
  username: line(200).default(''),
  /** More of the agent's options, by its own names: { lanplus: '1' }. */
  options: Options,
});

/** A magic packet wakes the host; a program, if one is named, switches it off and tells its state. */
export const WakeOnLanPower = z.object({
  type: z.literal('wake_on_lan'),
  macAddress: z.string().regex(/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i, 'write it as 52:54:00:12:34:56'),
  /** Where to broadcast. */
  address: Address.default('255.255.255.255'),
  port: Port.default(9),
  program: ProgramName.nullable().default(null),
  options: Options,
});

/** A program of the administrator's that is spoken to as fence agents are: options on stdin, exit status as answer. */
export const ExecPower = z.object({ type: z.literal('exec'), program: ProgramName, options: Options });

export const PowerManagement = z.discriminatedUnion('type', [FenceAgentPower, WakeOnLanPower, ExecPower]);
export type PowerManagement = z.infer<typeof PowerManagement>;

/** The password is never shown again. Left out: the one that is kept stays, if agent and address do; null: none. */
const password = { password: line(500).nullable().optional() };
export const SetPowerManagement = z.discriminatedUnion('type', [
  FenceAgentPower.extend(password).strict(),
  WakeOnLanPower.extend(password).strict(),
  ExecPower.extend(password).strict(),
]);
export type SetPowerManagement = z.infer<typeof SetPowerManagement>;

/** `test`: off and on, of a host in maintenance, to see that it comes back and how long that takes. */
export const PowerOperationKind = z.enum(['on', 'off', 'cycle', 'test']);
export type PowerOperationKind = z.infer<typeof PowerOperationKind>;

/** What is being done with a host's power now. */
export const PowerOperation = z.object({
  kind: PowerOperationKind,
  reason: z.string(),
  /** What the host is when it answers again. */
  statusAfter: z.enum(['up', 'maintenance']),
  requestedAt: Timestamp,
  /** The host is lost: it counts as off only when its management says so when it is asked again. */
  fences: z.boolean().default(false),
  /** It was seen to be off, or will be: that it answers afterwards proves that it can be woken. */
  wakes: z.boolean(),
  /** Of the step that is under way. */
  attempts: z.int(),
  /** Why the last attempt failed; null if it did not. */
  error: z.string().nullable(),
  /** Until then the next attempt waits; null: none does. */
  notBefore: Timestamp.nullable(),
  /** When the power management confirmed that it has switched the host on. */
  switchedOnAt: Timestamp.nullable(),
});
export type PowerOperation = z.infer<typeof PowerOperation>;

/** Watts at CPU utilisation 0 % … 100 %, at even distances; eleven values are SPECpower's 0 %, 10 %, … 100 %. */
export const PowerCurve = z
  .array(z.number().nonnegative().max(1_000_000))
  .min(2, 'give at least two values: idle and fully busy')
  .max(101)
  .refine((watts) => watts.every((value, index) => index === 0 || value >= watts[index - 1]!), 'watts rise with load')
  .refine((watts) => watts.at(-1)! > 0, 'the last value, at full load, is more than 0');
export type PowerCurve = z.infer<typeof PowerCurve>;

/** Whether the host has been seen to come back after it was switched off. */
export const WakeUp = z.enum(['none', 'unproven', 'proven']);
export type WakeUp = z.infer<typeof WakeUp>;

export const HostPowerView = z.object({
  hostId: Id,
  /** Null: Drover cannot switch the host. */
  management: PowerManagement.nullable(),
  hasPassword: z.boolean(),
  wakeUp: WakeUp,
  provenAt: Timestamp.nullable(),
  /** From the order to the first heartbeat: the last one, and those before, the latest first. */
  bootSeconds: z.number().nullable(),
  boots: z.array(z.object({ at: Timestamp, seconds: z.number() })),
  /** A policy has put it into maintenance, or switched it off, and wakes it when it is needed. */
  isParked: z.boolean(),
  /** Since when it has been on, or off; null: not known. */
  powerSince: Timestamp.nullable(),
  operation: PowerOperation.nullable(),
  wattsAt: PowerCurve.nullable(),
  /** The curve that its BMC's measurements give, which counts where nobody has given one; null: too few of them yet. */
  learntWattsAt: z.array(z.number()).nullable().default(null),
  /** What it draws while it is off, for its BMC. */
  offWatts: z.number(),
  /** As its BMC told last; null: it tells nothing. */
  measuredWatts: z.number().nullable(),
  inServiceSince: z.iso.date().nullable(),
});
export type HostPowerView = z.infer<typeof HostPowerView>;

/** What is known of the host's hardware. */
export const UpdateHostPower = z
  .object({
    wattsAt: PowerCurve.nullable(),
    offWatts: z.number().nonnegative().max(10_000),
    /** Of two equal hosts the older is emptied first. */
    inServiceSince: z.iso.date('write it as 2024-05-31').nullable(),
  })
  .partial()
  .strict();
export type UpdateHostPower = z.infer<typeof UpdateHostPower>;

export const OrderPower = z
  .object({
    reason: z.string().trim().max(500).default(''),
    /** Cuts the power of a host that does not answer, and with it the VMs that may still run there. */
    force: z.boolean().default(false),
  })
  .strict();
export type OrderPower = z.infer<typeof OrderPower>;

export const PowerStatusView = z.object({ status: z.enum(['on', 'off', 'unknown']) });
export type PowerStatusView = z.infer<typeof PowerStatusView>;

/** What a host drew on one day (UTC). */
export const EnergyDay = z.object({
  day: z.iso.date(),
  hostId: Id,
  hostName: z.string(),
  clusterId: Id,
  usedKWh: z.number(),
  /** What it would have drawn idle, less what it drew, while a policy had switched it off. */
  savedKWh: z.number(),
  /** Of usedKWh: what the BMC has measured; the rest follows the power curve. */
  measuredKWh: z.number(),
  onHours: z.number(),
  offHours: z.number(),
});
export type EnergyDay = z.infer<typeof EnergyDay>;

/** Hosts of which neither power curve nor BMC tells anything are not among them. */
export const EnergyView = z.object({
  from: z.iso.date(),
  to: z.iso.date(),
  usedKWh: z.number(),
  savedKWh: z.number(),
  days: z.array(EnergyDay),
});
export type EnergyView = z.infer<typeof EnergyView>;

export const EnergyQuery = z.object({
  clusterId: Id.optional(),
  /** Both days are included. */
  from: z.iso.date('write it as 2024-05-31').optional(),
  to: z.iso.date('write it as 2024-05-31').optional(),
});
export type EnergyQuery = z.infer<typeof EnergyQuery>;
