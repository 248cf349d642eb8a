/** What a machine's apt is told of its mirrors (sources.list(5)), in both formats, and which of them has Debian. */

/** One line, or one combination of a stanza's types. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

/** Paragraphs of `Field: value`, as in deb822 sources and in what apt-cache shows; names in lower case. */
export function parseStanzas(text: string): ReadonlyMap<string, string>[] {
  return text
    .split(/\n[ \t]*\n/)
    .map((paragraph) => {
      const fields = new Map<string, string>();
      let name: string | undefined;
      for (const line of paragraph.split('\n')) {
        if (line.startsWith('#')) continue;
        const [, key, value] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? [];
        if (key !== undefined) fields.set((name = key.toLowerCase()), value!.trim());
        else if (name !== undefined && /^[ \t]/.test(line)) fields.set(name, `${fields.get(name)}\n${line.trim()}`);
      }
      return fields;
    })
    .filter((fields) => fields.size > 0);
}

/** A *.sources file. */
export function parseDeb822(text: string): AptSource[] {
  return parseStanzas(text).flatMap((fields) => {
    const words = (name: string) => (fields.get(name) ?? '').split(/\s+/).filter(Boolean);
    const isOff = ['no', 'false', '0', 'off', 'disable', 'without'].includes(
      (fields.get('enabled') ?? '').toLowerCase(),
    );
    if (isOff || !words('types').includes('deb')) return [];
    const components = words('components');
    return words('uris').flatMap((uri) => words('suites').map((suite) => ({ uri, suite, components })));
  });
}

/** A sources.list or *.list file: `deb [options] uri suite component...`. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite, rest] = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)([^#]*)/.exec(line) ?? [];
    if (uri === undefined) return [];
    return [{ uri, suite: suite!, components: rest!.split(/\s+/).filter(Boolean) }];
  });
}

/** Debian's releases and the names that move along; other distributions name theirs otherwise. */
const DEBIAN_SUITES = [
  ...['oldoldstable', 'oldstable', 'stable', 'testing', 'unstable'],
  ...['buster', 'bullseye', 'bookworm', 'trixie', 'forky', 'duke', 'sid'],
];

/** The first mirror of Debian itself, which has every suite and architecture; undefined if there is none. */
export function debianMirror(sources: readonly AptSource[]): string | undefined {
  const isDebian = ({ uri, suite, components }: AptSource) =>
    DEBIAN_SUITES.includes(suite) && components.includes('main') && !uri.startsWith('cdrom:');
  return sources.find(isDebian)?.uri;
}
