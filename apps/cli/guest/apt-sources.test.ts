import { expect, test } from 'vitest';
import { debianMirror, parseDeb822, parseOneLine, parseStanzas } from './apt-sources.js';

const DEB822 = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security http://other.example/security
Suites: bookworm-security
Components: main
Enabled: yes

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main
`;

test('deb822: a source for each URI and suite, without those that are off or have no binaries', () => {
  const sources = parseDeb822(DEB822);
  expect(sources.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
    'http://mirror.example/debian bookworm',
    'http://mirror.example/debian bookworm-updates',
    'http://mirror.example/debian-security bookworm-security',
    'http://other.example/security bookworm-security',
  ]);
  expect(sources[0]!.components).toEqual(['main', 'contrib']);
  expect(debianMirror(sources)).toBe('http://mirror.example/debian');
});

test('stanzas: names in any case, values on several lines, keys inside', () => {
  const [fields] = parseStanzas('URIs:\n http://a.example\n\thttp://b.example\nSigned-By:\n -----BEGIN-----\n .\n x\n');
  expect(fields!.get('uris')!.split('\n').filter(Boolean)).toEqual(['http://a.example', 'http://b.example']);
  expect(fields!.get('signed-by')).toContain('-----BEGIN-----');
  expect(parseStanzas('\n\n# nothing\n\n')).toEqual([]);
});

test('one line: options, comments and sources of code are seen for what they are', () => {
  const sources = parseOneLine(
    [
      '# deb http://commented.example/debian trixie main',
      'deb-src http://source.example/debian trixie main',
      'deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://mirror.example/debian trixie main non-free # ours',
      'deb http://flat.example/ ./',
      '',
    ].join('\n'),
  );
  expect(sources).toEqual([
    { uri: 'https://mirror.example/debian', suite: 'trixie', components: ['main', 'non-free'] },
    { uri: 'http://flat.example/', suite: './', components: [] },
  ]);
});

test.each([
  ['another distribution', 'deb http://archive.example/ubuntu noble main'],
  ['security alone', 'deb http://mirror.example/debian-security trixie-security main'],
  ['a disc', 'deb cdrom:[Debian]/ trixie main'],
  ['no main', 'deb http://mirror.example/debian trixie contrib'],
])('%s is no mirror of Debian', (_what, line) => {
  expect(debianMirror(parseOneLine(line))).toBeUndefined();
});
