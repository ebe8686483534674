# The images of Gen3D's inference server. Know no weights: they are mounted at /opt/ml/model.
#
#     docker build --target preview --tag gen3d:preview .
#     docker run --rm -p 8080:8080 gen3d:preview serve
#
#     docker build --target sam3d --tag gen3d:sam3d .
#     docker run --rm --gpus all -v "$PWD/weights:/opt/ml/model:ro" -p 8080:8080 gen3d:sam3d serve
#
# Everything comes as wheels, but for two packages in pure Python, locked with hashes in container/, and is installed into
# /opt/gen3d, a virtual environment that later stages copy whole: neither pip's cache nor what builds our own wheel
# reaches the image. It keeps to what every builder understands: no `# syntax`, no heredoc, no RUN with a mount or a
# network of its own. Builders that make every stage before the one they are asked for get preview first.

# A slim Debian with Python 3.11 and pip, from whichever registry the builder can reach.
ARG BASE=python:3.11-slim-bookworm

# Meta's source of SAM 3D Objects: the address of an archive (.tar.gz). What counts is its package sam3d_objects, whose
# digest the second argument is:
#     find sam3d_objects -type f | LC_ALL=C sort | xargs sha256sum | sha256sum
# That of the archive would not do: GitHub makes it anew when asked, and does not promise the same bytes.
ARG SAM3D_SOURCE=https://github.com/facebookresearch/sam-3d-objects/archive/cf066761706cd02b07e2fc6274570ec8cdafb683.tar.gz
ARG SAM3D_SHA256=4980a5da793464126af4e1a19fd2226774a2729ed1210c53503681578bdbf423


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
# - the packages' own tests, 49 MB, and what is there to build against;
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
    && find /opt/gen3d/lib -name '*.a' -delete \
    && find /opt/gen3d/lib/python3.11/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} + \
    && find /opt/gen3d/lib/python3.11/site-packages/pxr -mindepth 1 -maxdepth 1 -type d -name 'Usd?*' \
    ! -name UsdGeom ! -name UsdShade -exec rm -r {} + \
    && find /opt/gen3d/lib/python3.11/site-packages/pxr -name '*.so' -exec strip --strip-unneeded {} +


# What the images have in common. No USER: SageMaker runs containers as root. Any other user will do, and a root that
# cannot be written.
FROM ${BASE} AS server
COPY --from=preview-packages /opt/gen3d /opt/gen3d
COPY container/preview.txt /opt/gen3d/lock/
ENV PATH=/opt/gen3d/bin:$PATH \
    GEN3D_HOST=0.0.0.0
EXPOSE 8080
# In its list form, so that the server is process 1 and SIGTERM reaches it.
ENTRYPOINT ["gen3d"]
CMD ["serve"]
# The slim base has no curl. Where the server is, its variables say: an option such as --port would not be seen.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "-m", "serve.health"]
ARG BASE
LABEL org.opencontainers.image.base.name=${BASE} \
    com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true


FROM server AS preview
COPY --from=code /code /opt/gen3d
# The self-test fails the build, and leaves nothing behind.
RUN gen3d selftest && rm -rf /tmp/*
LABEL org.opencontainers.image.title="Gen3D preview" \
    org.opencontainers.image.description="A photo and bounding boxes in, textured 3D meshes out: the inference server, engine preview."


# What the engine sam3d needs beside them, in three layers that can be fetched side by side: CUDA's libraries, PyTorch,
# and the rest. Then goes what this road never loads (the self-test runs what stays):
# - of CUDA, 0.4 GB: what works on several GPUs at once, profiles, measures or links programs, another make of the
#   runtime compiler, and cuDNN's recurrent networks;
# - of PyTorch, 0.1 GB: headers and compilers (`ptxas` for Triton, which the lock leaves out);
# - of PyTorch3D, 0.2 GB: its kernels; only its transforms are used, in Python.
FROM preview-packages AS sam3d-packages
COPY container/build.txt container/sam3d.txt container/sam3d-upstream.txt /
WORKDIR /sam3d/lib/python3.11/site-packages
# Two packages are published as source alone, in pure Python: they are built with the locked setuptools.
RUN python3 -m pip --python /opt/gen3d/bin/python install --no-cache-dir --require-hashes --prefix /build \
    --requirement /build.txt \
    && PYTHONPATH=/build/lib/python3.11/site-packages \
    python3 -m pip --python /opt/gen3d/bin/python install --no-cache-dir --require-hashes --no-deps \
    --only-binary :all: --no-binary antlr4-python3-runtime,iopath --use-pep517 --no-build-isolation --prefix /sam3d \
    --requirement /sam3d.txt --requirement /sam3d-upstream.txt \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -name '*.a' -delete \
    && rm -r nvidia/*/include nvidia/nvshmem/lib/libnvshmem_device.* nvidia/nvshmem/lib/nvshmem_* \
    nvidia/cu13/lib/libcusolverMg.* nvidia/cu13/lib/libcufftw.* nvidia/cu13/lib/libnvblas.* \
    nvidia/cu13/lib/libcufile_rdma.* nvidia/cu13/lib/libnvperf_* nvidia/cu13/lib/libpcsamplingutil.* \
    nvidia/cu13/lib/libcheckpoint.* nvidia/cu13/lib/libnvrtc*.alt.* nvidia/cudnn/lib/libcudnn_adv.* \
    torch/include torch/bin/protoc* torch/bin/ptxas pytorch3d/_C.* \
    && mkdir -p /cuda/lib/python3.11/site-packages /torch/lib/python3.11/site-packages \
    && mv nvidia /cuda/lib/python3.11/site-packages \
    && mv torch /torch/lib/python3.11/site-packages


# Meta's source of SAM 3D Objects, with its licence where the archive has it, and with a name and a version (upstream's
# own, and the digest) for whoever asks what is installed.
FROM ${BASE} AS sam3d-source
ARG SAM3D_SOURCE
ARG SAM3D_SHA256
# COPY takes no address.
# hadolint ignore=DL3020
ADD ${SAM3D_SOURCE} /archive/
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source/lib/python3.11/site-packages
RUN find /archive -maxdepth 1 -name '*.tar.gz' -exec tar --extract --gzip --directory /archive --file {} ';' \
    && source=$(find /archive -type d -name sam3d_objects -prune -print -quit) \
    && cp -r "${source:?has no folder sam3d_objects: see SAM3D_SOURCE}" . \
    && about=sam3d_objects-0.0.1.dist-info \
    && mkdir -p "$about/licenses" \
    && find "$(dirname "$source")" -maxdepth 1 -name LICENSE -exec cp {} "$about/licenses" ';' \
    && printf 'Metadata-Version: 2.4\nName: sam3d_objects\nVersion: 0.0.1+%.12s\n' "$SAM3D_SHA256" >"$about/METADATA" \
    && find sam3d_objects -name __pycache__ -prune -exec rm -r {} + \
    && find sam3d_objects -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | tee /digest \
    && grep --quiet --line-regexp "$SAM3D_SHA256  -" /digest \
    && python3 -m compileall -q sam3d_objects


FROM server AS sam3d
COPY --from=sam3d-packages /cuda /opt/gen3d
COPY --from=sam3d-packages /torch /opt/gen3d
COPY --from=sam3d-packages /sam3d /opt/gen3d
COPY --from=sam3d-source /source /opt/gen3d
COPY container/sam3d.txt container/sam3d-upstream.txt /opt/gen3d/lock/
COPY --from=code /code /opt/gen3d
# NVIDIA's container runtime gives the GPUs. Where the driver is older than CUDA 13's, 580, its legacy mode refuses to
# start the container; its CDI mode does not read the variable, and the server says what the driver lacks.
# What is compiled or cached at run time goes where every user may write, and nothing is asked of a hub.
# Kernels of our own are compiled by the self-test, for every processor of the architecture.
ENV GEN3D_ENGINE=sam3d \
    NUMBA_CPU_NAME=generic \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_REQUIRE_CUDA=cuda>=13.0 \
    CUDA_CACHE_PATH=/tmp/cuda \
    MPLCONFIGDIR=/tmp/matplotlib \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    HF_HUB_OFFLINE=1
# It fails the build, and leaves the compiled kernels behind.
RUN gen3d selftest && rm -rf /tmp/*
# 13 GB of weights are read and an object is made before it is ready.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15m CMD ["python", "-m", "serve.health"]
LABEL org.opencontainers.image.title="Gen3D sam3d" \
    org.opencontainers.image.description="A photo and bounding boxes in, textured 3D meshes out: the inference server, engine sam3d."


# The lists of what is in the images, as files: docker build --target preview-sbom --output out .
FROM ${BASE} AS inventory
COPY container/sbom.txt /
RUN python3 -m venv /opt/sbom \
    && /opt/sbom/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /sbom.txt

FROM preview AS preview-inventory
COPY --from=inventory /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
    --output-file /image-preview.cdx.json /opt/gen3d/bin/python

FROM scratch AS preview-sbom
COPY --from=preview-inventory /image-preview.cdx.json /

FROM sam3d AS sam3d-inventory
COPY --from=inventory /opt/sbom /opt/sbom
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
    --output-file /image-sam3d.cdx.json /opt/gen3d/bin/python

FROM scratch AS sam3d-sbom
COPY --from=sam3d-inventory /image-sam3d.cdx.json /

# What is built where no target is named.
FROM preview
