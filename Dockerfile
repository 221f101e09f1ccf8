# JupyterLab with the notebooks, and the command line, in one box:
#   docker build --tag aimicro .
#   docker run --rm --publish 8888:8888 aimicro
#   docker run --rm --user "$(id -u)" --volume "$PWD:/home/reader/work" aimicro aimicro check work/pairs
FROM python:3.11-slim-bookworm

# Read by pip. With PyTorch's index of CPU builds here, the image is gigabytes smaller:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS --tag aimicro .
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /build
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --constraint requirements.txt ".[lab,labelling,tracking,search]"

# Nobody is root in here. Whoever comes may write, so that --user can be you, and new files are yours.
ENV HOME=/home/reader USER=reader
RUN install --directory --mode=777 /home/reader
WORKDIR /home/reader
COPY --chmod=777 notebooks notebooks
USER 1000

# Outside of the box it is the address that --publish gives; the key to it is printed at the start.
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks"]
