/** What a fence agent says of itself: `action=metadata` prints XML by the RelaxNG schema `fence-agents/metadata.rng`. */

export interface FenceParameter {
  readonly name: string;
  readonly isRequired: boolean;
  readonly description: string;
}

export interface FenceAgentMetadata {
  readonly name: string;
  readonly description: string;
  readonly parameters: readonly FenceParameter[];
  /** Such as on, off, reboot, status, monitor. */
  readonly actions: readonly string[];
}

/**
 * Reads what all agents of the package print by one function (`metadata` in fencing.py): no namespaces, CDATA or nested
 * parameters. @throws RangeError if it is something else.
 */
export function parseFenceMetadata(xml: string): FenceAgentMetadata {
  const agent = /<resource-agent\b([^>]*)>/.exec(xml);
  if (!agent) throw new RangeError('this is no metadata of a fence agent: there is no <resource-agent>');
  const parameters = [...xml.matchAll(/<parameter\b([^>]*)>(.*?)<\/parameter>/gs)].map(
    ([, head = '', body = '']): FenceParameter => ({
      name: attribute(head, 'name') ?? '',
      isRequired: attribute(head, 'required') === '1',
      description: textOf(/<shortdesc\b[^>]*>(.*?)<\/shortdesc>/s.exec(body)?.[1] ?? ''),
    }),
  );
  const actions = [...xml.matchAll(/<action\b([^>]*?)\/?>/g)].flatMap(([, head = '']) => attribute(head, 'name') ?? []);
  const head = agent[1]!;
  return {
    name: attribute(head, 'name') ?? '',
    description: attribute(head, 'shortdesc') ?? '',
    parameters: parameters.filter(({ name }) => name !== ''),
    actions,
  };
}

const attribute = (head: string, name: string): string | undefined => {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(head)?.[1];
  return value === undefined ? undefined : textOf(value);
};

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

const textOf = (xml: string): string =>
  xml
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name]!)
    .replace(/\s+/g, ' ')
    .trim();
