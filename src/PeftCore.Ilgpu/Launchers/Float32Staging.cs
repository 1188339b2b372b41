using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>Whether these can be worked on eight BF16 elements a thread, row by row.</summary>
    private static bool CanVectorize(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            if (tensor.DType != DType.BF16 || tensor.Count % 8 != 0 || tensor.Shape.Columns % 8 != 0 || Address(tensor) % 16 != 0)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Whether a parameter's elements can be read eight at a time.</summary>
    private static bool CanVectorizeWeight(Tensor weight) => weight.DType is DType.BF16 or DType.F32 && weight.Count % 8 == 0
        && Address(weight) % 32 == 0;

    private ArrayView<Bf16x8> Bf16x8View(Tensor tensor) => _device.Space.View<Bf16x8>(Address(tensor), tensor.Count / 8);

    private ArrayView<Float32x8> Float32x8View(Tensor tensor) => _device.Space.View<Float32x8>(Address(tensor), tensor.Count / 8);

    /// <summary>Called for every tensor that something was written to: rounded copies of parameters must not outlive it.</summary>
    private void Written(Tensor tensor) => _bf16Weights.Written(tensor);

    /// <summary>Called once a product is queued.</summary>
    private void Queued(Tensor product)
    {
        Written(product);
        _bf16Weights.Trim();
    }

    /// <summary>Numbers to read in F32: the tensor's own, or a F32 copy for kernels that have no BF16 form.</summary>
    private Float32Staging StageIn(Tensor tensor) => new(this, tensor, reads: true, writes: false);

    /// <summary>Numbers to write in F32, rounded into the tensor when disposed; with <paramref name="accumulate"/> they are there to be
    /// added to.</summary>
    private Float32Staging StageOut(Tensor tensor, bool accumulate) => new(this, tensor, accumulate, writes: true);

    /// <summary>A tensor staged as F32 for one launch.</summary>
    private readonly struct Float32Staging : IDisposable
    {
        private readonly IlgpuBackend _backend;
        private readonly Tensor _tensor;
        private readonly Tensor? _copy;
        private readonly bool _writes;

        public Float32Staging(IlgpuBackend backend, Tensor tensor, bool reads, bool writes)
        {
            (_backend, _tensor, _writes) = (backend, tensor, writes);
            if (tensor.DType != DType.F32)
            {
                _copy = backend.NewTensor(tensor.Shape, DType.F32, MemoryKind.Workspace);
                if (reads)
                {
                    backend.Cast(tensor, _copy);
                }
            }
        }

        public Tensor Tensor => _copy ?? _tensor;

        public ArrayView<float> View => _backend.View<float>(Tensor);

        public void Dispose()
        {
            if (_copy is null)
            {
                if (_writes)
                {
                    _backend.Written(_tensor);
                }
                return;
            }
            if (_writes)
            {
                _backend.Cast(_copy, _tensor);
            }
            _copy.Dispose();
        }
    }
}
