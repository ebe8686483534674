# The image of Gen3D's inference server. Knows no weights: they are mounted at /opt/ml/model.
#
#     docker build --target preview --tag gen3d:preview .
#     docker run --rm -p 8080:8080 gen3d:preview serve
#
# Everything comes as wheels, locked with hashes in container/ and installed into /opt/gen3d, a virtual environment that
# later stages copy whole: neither pip's cache nor what builds our own wheel reaches the image. It keeps to what every
# builder understands: no `# syntax`, no heredoc, no RUN with a mount or a network of its own.

# A slim Debian with Python 3.11 and pip, from whichever registry the builder can reach.
ARG BASE=python:3.11-slim-bookworm


# Our own code, the same for every target.
FROM ${BASE} AS code
COPY container/build.txt /
RUN python3 -m venv --without-pip /opt/gen3d \
    && python3 -m pip --python /opt/gen3d/bin/python install --no-cache-dir --require-hashes --requirement /build.txt
COPY pyproject.toml README.md /source/
COPY gen3d /source/gen3d
COPY model_loader /source/model_loader
COPY selftest /source/selftest
COPY serve /source/serve
RUN python3 -m pip --python /opt/gen3d/bin/python install --no-cache-dir --no-deps --no-build-isolation \
    --prefix /code /source


# The default dependencies. pip compiles them to bytecode: 41 MB, but on a read-only root every start would do it again,
# and take twice as long.
# Then goes what is never used here, a fifth of it all (the tests of the image run what stays):
# - the packages' own tests, 49 MB;
# - botocore's descriptions of AWS services, 25 MB, but for S3 and those that credentials may come from;
# - USD's schemas, 32 MB, but for those of geometry and materials, which a USDZ file of ours has;
# - the names that a debugger would show in USD's libraries, 45 MB: its wheel alone comes with them.
FROM ${BASE} AS preview-packages
# `strip` is no part of what is built, so any version will do.
# hadolint ignore=DL3008
RUN apt-get update -q && apt-get install -qy --no-install-recommends binutils \
    && rm -r /var/lib/apt/lists/*
COPY container/preview.txt /
RUN python3 -m venv --without-pip /opt/gen3d \
    && python3 -m pip --python /opt/gen3d/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
    --requirement /preview.txt \
    && find /opt/gen3d/lib -type d -name tests -prune -exec rm -r {} + \
    && find /opt/gen3d/lib/python3.11/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} + \
    && find /opt/gen3d/lib/python3.11/site-packages/pxr -mindepth 1 -maxdepth 1 -type d -name 'Usd?*' \
    ! -name UsdGeom ! -name UsdShade -exec rm -r {} + \
    && find /opt/gen3d/lib/python3.11/site-packages/pxr -name '*.so' -exec strip --strip-unneeded {} +


# The list of what is in /opt/gen3d, as a file: docker build --target preview-sbom --output out .
FROM preview-packages AS preview-inventory
COPY container/sbom.txt /
RUN python3 -m venv /opt/sbom \
    && /opt/sbom/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /sbom.txt
COPY --from=code /code /opt/gen3d
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
    --output-file /image-preview.cdx.json /opt/gen3d/bin/python

FROM scratch AS preview-sbom
COPY --from=preview-inventory /image-preview.cdx.json /


# No USER: SageMaker runs containers as root. Any other user will do, and a root that cannot be written.
FROM ${BASE} AS preview
ARG BASE
COPY --from=preview-packages /opt/gen3d /opt/gen3d
COPY --from=code /code /opt/gen3d
ENV PATH=/opt/gen3d/bin:$PATH \
    GEN3D_HOST=0.0.0.0
EXPOSE 8080
# In its list form, so that the server is process 1 and SIGTERM reaches it.
ENTRYPOINT ["gen3d"]
CMD ["serve"]
# Where the server is, its own settings say; the slim base has no curl.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "-c", "from http.client import HTTPConnection; from serve.settings import read_settings; settings = read_settings(); server = HTTPConnection(settings.host, settings.port, timeout=5); server.request('GET', '/ping'); raise SystemExit(server.getresponse().status != 200)"]
LABEL org.opencontainers.image.title="Gen3D preview" \
    org.opencontainers.image.description="A photo and bounding boxes in, textured 3D meshes out: the inference server, engine preview." \
    org.opencontainers.image.base.name=${BASE} \
    com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
