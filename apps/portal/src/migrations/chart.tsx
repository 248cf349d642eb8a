/** A small uPlot chart by iteration; the same figures stand in the table below it. */
import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { useIsDark } from '../app/theme.js';

export interface Line {
  readonly label: string;
  /** Name of a CSS variable. */
  readonly color: `--${string}`;
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
  readonly isFilled?: boolean;
}

interface ChartProps {
  readonly label: string;
  readonly iterations: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const HEIGHT = 200;

/** The canvas takes its colours from the theme when it is made: another theme, another canvas. */
export const Chart = (props: ChartProps) => <Plot key={useIsDark() ? 'dark' : 'light'} {...props} />;

function Plot({ label, iterations, lines, format }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const box = place.current!;
    const style = getComputedStyle(box);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color('--chart-text'),
      grid: { stroke: color('--chart-grid'), width: 1 },
      ticks: { show: false },
      font: `11px ${style.fontFamily}`,
    };
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        scales: {
          x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
          y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] },
        },
        axes: [
          {
            ...axis,
            incrs: [1, 2, 5, 10, 20, 50, 100],
            values: (_, ticks) => ticks.map((tick) => `${tick}`),
            size: 28,
          },
          { ...axis, values: (_, ticks) => ticks.map(format), size: 76 },
        ],
        series: [
          { label: 'Pass', value: (_, value, __, index) => String(index === null ? iterations.at(-1) : value) },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: 2,
            dash: line.isDashed ? [6, 4] : undefined,
            fill: line.isFilled ? `color-mix(in srgb, ${color(line.color)} 16%, transparent)` : undefined,
            points: { show: true, size: 6, fill: color(line.color) },
            // Without the cursor on the chart the legend shows the last pass.
            value: (_: uPlot, value: number | null, __: number, index: number | null) => {
              const shown = index === null ? line.values.at(-1) : value;
              return shown === null || shown === undefined ? '–' : format(shown);
            },
          })),
        ],
        cursor: { drag: { x: false, y: false } },
      },
      [[...iterations], ...lines.map(({ values }) => [...values])],
      box,
    );
    const resized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [iterations, lines, format]);

  return <div ref={place} className="chart" role="img" aria-label={label} />;
}
