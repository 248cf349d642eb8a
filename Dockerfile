# One image for all processes: the command decides which one runs.
#   controller (default)   node dist/apps/controller/main.js
#   host agent             node dist/apps/agent/main.js
FROM node:22-bookworm-slim AS build
WORKDIR /drover
COPY package.json package-lock.json ./
RUN npm install --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /drover
COPY --from=build /drover/package.json /drover/LICENSE ./
COPY --from=build /drover/node_modules node_modules
COPY --from=build /drover/dist dist
COPY --from=build /drover/guests/*.elf guests/
COPY --from=build /drover/guests/linux guests/linux
# A new named volume takes over owner and mode of the folder in the image.
RUN mkdir -p /data /enrolment && chown node:node /data /enrolment
USER node
CMD ["node", "--enable-source-maps", "dist/apps/controller/main.js"]
