"""The environments of tools whose packages disagree with ours, with exact versions."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Environment:
    """What an environment consists of.

    Attributes:
        name: Key in ENVIRONMENTS.
        requirements: Each package with its version, as pip takes it; no others are
            installed.
        megabytes: Room on the disk that it takes, about.
        pythons: Versions of Python that the packages exist for, such as "3.11", the
            best first; none if any will do.
        machines: Processors that the packages exist for, as `platform.machine()` names
            them; none if any will do.
    """

    name: str
    requirements: tuple[str, ...]
    megabytes: int
    pythons: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


# The versions that pip chose for the first, which is the one that is used.
_MEDIAPIPE = Environment(
    "mediapipe",
    (
        "mediapipe==1.2.3",
        "absl-py==2.5.1",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "contourpy==1.3.3",
        "cycler==0.12.1",
        "flatbuffers==25.12.19",
        "fonttools==4.68.0",
        "kiwisolver==1.5.1",
        "matplotlib==3.11.2",
        "numpy==2.4.6",
        "opencv-contrib-python==5.1.0.95",
        "packaging==26.4",
        "pillow==13.0.0",
        "pycparser==3.12",
        "pyparsing==3.3.3",
        "python-dateutil==4.0.0",
        "sounddevice==0.5.6",
        "tzdata==2026.6",
    ),
    megabytes=700,
    pythons=("3.11", "3.12", "3.13"),
)

# It loads ONNX without TensorFlow, but imports PyTorch, of which all wheels for x86-64
# bring CUDA: this is the smallest that it takes. Its opencv-python needs a display's
# libraries, the headless one does not.
_RKNN = Environment(
    "rknn",
    (
        "rknn-toolkit2==2.5.0",
        "fast-histogram==0.14",
        "flatbuffers==25.12.19",
        "numpy==1.26.4",
        "nvidia-cublas-cu11==11.10.3.66",
        "nvidia-cuda-nvrtc-cu11==11.7.99",
        "nvidia-cuda-runtime-cu11==11.7.99",
        "nvidia-cudnn-cu11==8.5.0.96",
        "onnx==1.18.0",
        "onnxruntime==1.26.0",
        "opencv-python-headless==4.11.0.86",
        "packaging==26.4",
        "protobuf==4.25.4",
        "psutil==7.2.2",
        "ruamel.yaml==0.19.1",
        "scipy==1.17.1",
        "setuptools==80.10.2",
        "torch==1.13.1",
        "tqdm==4.70.1",
        "typing_extensions==4.16.0",
    ),
    megabytes=3900,
    pythons=("3.11",),
    # CUDA 11's libraries, which this PyTorch loads, have no wheels for Arm.
    machines=("x86_64",),
)

# The versions that Sony's package edge-mdt 1.3.0 asks for.
_IMX500 = Environment(
    "imx500",
    (
        "imx500-converter==3.18.2",
        "absl-py==2.5.1",
        "annotated-types==0.8.0",
        "astunparse==1.6.3",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "charset-normalizer==3.5.3",
        "cloudpickle==3.1.3",
        "contourpy==1.3.3",
        "conv-allocator==3.18.1",
        "cryptography==50.0.2",
        "cycler==0.12.1",
        "edge-mdt-cl==1.1.1",
        "edge-mdt-tpc==1.3.0",
        "flatbuffers==25.12.19",
        "fonttools==4.68.0",
        "gast==0.7.0",
        "google-auth-oauthlib==1.5.0",
        "google-auth==2.63.0",
        "google-pasta==0.2.0",
        "grpcio==1.85.3",
        "h5py==3.16.0",
        "idna==3.20",
        "ImageIO==2.38.1",
        "immutabledict==4.3.1",
        "joblib==1.6.0",
        "keras==2.15.0",
        "kiwisolver==1.5.1",
        "lazy-loader==0.6",
        "libclang==18.1.1",
        "Markdown==3.11.3",
        "MarkupSafe==3.0.4",
        "matplotlib==3.9.4",
        "mct-quantizers==1.6.0",
        "ml-dtypes==0.3.2",
        "model_compression_toolkit==2.5.1",
        "narwhals==2.29.0",
        "networkx==3.0",
        "numpy==1.26.4",
        "oauthlib==4.0.1",
        "opt_einsum==3.4.0",
        "ortools==9.9.3963",
        "packaging==26.4",
        "pandas==3.0.6",
        "pillow==13.0.0",
        "protobuf==4.25.5",
        "PuLP==3.3.2",
        "pyasn1==0.6.5",
        "pyasn1_modules==0.4.2",
        "pycparser==3.12",
        "pydantic==2.11.10",
        "pydantic_core==2.33.2",
        "pyparsing==3.3.3",
        "python-dateutil==4.0.0",
        "requests-oauthlib==2.0.0",
        "requests==2.34.2",
        "scikit-image==0.26.0",
        "scikit-learn==1.9.1",
        "scipy==1.17.1",
        "sdspconv==3.18.1",
        "setuptools==84.2.1",
        "six==1.17.0",
        "stringcase==1.2.0",
        "tensorboard-data-server==0.7.2",
        "tensorboard==2.15.2",
        "tensorflow-estimator==2.15.0",
        "tensorflow-io-gcs-filesystem==0.37.1",
        "tensorflow==2.15.1",
        "termcolor==3.3.0",
        "threadpoolctl==3.8.0",
        "tifffile==2026.3.3",
        "tqdm==4.70.1",
        "typing-inspection==0.4.5",
        "typing_extensions==4.16.0",
        "tzdata==2026.6",
        "uni_model==10.1.2",
        "uni_tensorflow==3.18.2",
        "urllib3==2.8.0",
        "Werkzeug==3.1.9",
        "wheel==0.48.0",
        "wrapt==1.14.2",
    ),
    megabytes=2400,
    pythons=("3.11",),
)

ENVIRONMENTS = {x.name: x for x in (_MEDIAPIPE, _RKNN, _IMX500)}
