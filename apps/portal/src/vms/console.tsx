/** A VM's serial console: its output as it comes, and what is typed into it. Asks only while it is shown. */
import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { DroverClient } from '#client';
import { useIsDark } from '../app/theme.js';
import { useSession } from '../live/session.js';

const POLL_MS = 500;
const AFTER_ERROR_MS = 3000;
/** Keys typed in quick succession travel together. */
const TYPE_MS = 40;
const MOST_CHARACTERS = 4096;

const LOOK = {
  dark: { background: '#0b1214', foreground: '#d5dfe1', cursor: '#5fc4bd', selectionBackground: '#2f4d54' },
  light: { background: '#fbfcfc', foreground: '#1c2b2f', cursor: '#0b7a75', selectionBackground: '#cfe3e1' },
};

/** Sends what is typed, in order, one request at a time. */
class Keyboard {
  private typed = '';
  private sending = false;

  constructor(
    private readonly client: DroverClient,
    private readonly vmId: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  type(text: string): void {
    this.typed += text;
    if (!this.sending) void this.send();
  }

  private async send(): Promise<void> {
    this.sending = true;
    try {
      while (this.typed !== '') {
        await new Promise((done) => setTimeout(done, TYPE_MS));
        const text = this.typed.slice(0, MOST_CHARACTERS);
        this.typed = this.typed.slice(text.length);
        await this.client.vms.type(this.vmId, { text });
      }
    } catch (error) {
      this.typed = '';
      this.onError(error);
    } finally {
      this.sending = false;
    }
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Tells a VM's output from its process's first line on, until `hidden`. */
async function follow(
  client: DroverClient,
  vmId: string,
  hidden: AbortSignal,
  onOutput: (text: string) => void,
  onProblem: (problem: string | undefined) => void,
): Promise<void> {
  for (let offset = 0; !hidden.aborted;) {
    let waitMs = POLL_MS;
    try {
      const output = await client.vms.console(vmId, offset);
      if (hidden.aborted) return;
      onOutput(output.text);
      onProblem(undefined);
      offset = output.next;
    } catch (error) {
      if (hidden.aborted) return;
      onProblem(messageOf(error));
      waitMs = AFTER_ERROR_MS;
    }
    await new Promise((done) => setTimeout(done, waitMs));
  }
}

interface OutputProps {
  readonly vmId: string;
  readonly terminal: RefObject<Terminal | null>;
  readonly onProblem: (problem: string | undefined) => void;
}

/** What one process of the VM writes: another process is another output, which begins at 0 again. */
function Output({ vmId, terminal, onProblem }: OutputProps) {
  const { client } = useSession();
  useEffect(() => {
    const hidden = new AbortController();
    void follow(client, vmId, hidden.signal, (text) => terminal.current?.write(text), onProblem);
    return () => hidden.abort();
  }, [client, vmId, terminal, onProblem]);
  return null;
}

interface ConsoleProps {
  readonly vmId: string;
  readonly vmName: string;
  /** Grows with each process that runs the VM: after a start or a move. */
  readonly epoch: number;
}

export function Console({ vmId, vmName, epoch }: ConsoleProps) {
  const { client } = useSession();
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(null);
  const [problem, setProblem] = useState<string>();
  const isDark = useIsDark();

  useEffect(() => {
    const screen = new Terminal({
      convertEol: true,
      scrollback: 5000,
      fontSize: 12.5,
      fontFamily: "'Red Hat Mono', ui-monospace, monospace",
      screenReaderMode: true,
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(place.current!);
    fit.fit();
    terminal.current = screen;
    const resized = new ResizeObserver(() => fit.fit());
    resized.observe(place.current!);
    const keyboard = new Keyboard(client, vmId, (error) => setProblem(messageOf(error)));
    screen.attachCustomKeyEventHandler(({ key, shiftKey }) => !(key === 'Tab' && shiftKey)); // the way out by keyboard
    screen.onData((text) => keyboard.type(text));
    return () => {
      resized.disconnect();
      screen.dispose();
    };
  }, [client, vmId]);

  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = isDark ? LOOK.dark : LOOK.light;
  }, [isDark]);

  return (
    <div className="console">
      <div ref={place} className="console-screen" role="region" aria-label={`Console of ${vmName}`} />
      <Output key={epoch} vmId={vmId} terminal={terminal} onProblem={setProblem} />
      <p className="console-foot subtle" role="status">
        {problem ? (
          <span className="tone-warn">{problem}</span>
        ) : (
          'Click into the console to type; Shift+Tab leaves it.'
        )}
      </p>
    </div>
  );
}
