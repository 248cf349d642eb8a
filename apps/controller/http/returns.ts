import { applyDecorators, HttpCode, SerializeOptions } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import type { ZodType } from 'zod';

/** What a route answers: the serializer strips everything else, and OpenAPI says so. */
export const Returns = (schema: ZodType, status = 200) =>
  applyDecorators(HttpCode(status), SerializeOptions({ schema }), ApiResponse({ status, standardSchema: schema }));

/** A route whose effect is its whole answer. */
export const ReturnsNothing = () => applyDecorators(HttpCode(204), ApiResponse({ status: 204 }));
