/** Properties of devices, under the paths that QEMU's object model gives them: qom-get, qom-set, qom-list. */
import { QmpError, string, type QmpServer } from '#qmp';

export interface ObjectProperty {
  /** As qom-list tells it. */
  readonly type: string;
  get(): unknown;
  /** Absent where it cannot be set. Throws a QmpError that says what may be set. */
  set?(value: unknown): void;
}

export type ObjectProperties = Readonly<Record<string, ObjectProperty>>;

/** Devices that were given an id are in this folder. */
export const NAMED = '/machine/peripheral';
/** The others are in this one, numbered. */
export const UNNAMED = '/machine/peripheral-anon';

/** Objects by path; the folders that QEMU keeps devices in are there even if they are empty. */
export function registerObjects(qmp: QmpServer, objects: ReadonlyMap<string, ObjectProperties>): void {
  const find = (path: string, name: string): ObjectProperty => {
    const properties = objects.get(path);
    if (!properties) throw new QmpError(`Device '${path}' not found`, 'DeviceNotFound');
    if (!Object.hasOwn(properties, name)) throw new QmpError(`Property '${path}.${name}' not found`);
    return properties[name]!;
  };
  const asIs = (value: unknown) => value;

  qmp.register('qom-get', { path: string, property: string }, ({ path, property }) => find(path, property).get());
  qmp.register('qom-set', { path: string, property: string, value: asIs }, ({ path, property, value }) => {
    const { set } = find(path, property);
    if (!set) throw new QmpError(`Insufficient permission to perform this operation: ${property} cannot be set`);
    set(value);
  });
  qmp.register('qom-list', { path: string }, ({ path }) => {
    const properties = objects.get(path);
    if (properties) return Object.entries(properties).map(([name, { type }]) => ({ name, type }));
    const children = [...objects.keys()].filter((each) => each.slice(0, each.lastIndexOf('/')) === path);
    if (children.length === 0 && path !== NAMED && path !== UNNAMED) {
      throw new QmpError(`Device '${path}' not found`, 'DeviceNotFound');
    }
    return children.map((child) => ({ name: child.slice(path.length + 1), type: 'child<device>' }));
  });
}
