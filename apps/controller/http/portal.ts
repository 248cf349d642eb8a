import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from './messages.js';

/** Only what the portal brings along runs in its pages. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'", // xterm.js and uPlot set styles
  "img-src 'self' data:",
  "font-src 'self' data:",
  "frame-ancestors 'none'",
].join('; ');

/** Serves the portal's files at /, and its page for every address that its router knows. */
export function servePortal(app: NestExpressApplication, dir: string): void {
  app.use((request: Request, response: Response, next: () => void) => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    if (!isOfApi(request)) response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    next();
  });
  app.useStaticAssets(dir, { index: 'index.html' });
  app.use((request: Request, response: Response, next: () => void) => {
    const wantsPage = request.method === 'GET' && !isOfApi(request) && request.headers.accept?.includes('text/html');
    if (!wantsPage) return next();
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Cache-Control', 'no-cache');
    createReadStream(join(dir, 'index.html')).on('error', next).pipe(response);
  });
}

const isOfApi = ({ originalUrl }: Request) => /^\/(api|metrics)(\/|\?|$)/.test(originalUrl);
