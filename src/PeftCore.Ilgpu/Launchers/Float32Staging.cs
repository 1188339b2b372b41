using ILGPU;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>A tensor staged as F32 for one launch: the tensor itself if it is F32, or else a copy in workspace.</summary>
internal readonly struct Float32Staging : IDisposable
{
    private readonly LaunchContext _gpu;
    private readonly Tensor _tensor;
    private readonly Tensor? _copy;
    private readonly bool _writes;

    public Float32Staging(LaunchContext gpu, Tensor tensor, bool reads, bool writes)
    {
        (_gpu, _tensor, _writes) = (gpu, tensor, writes);
        if (tensor.DType != DType.F32)
        {
            _copy = gpu.Workspace(tensor.Shape, DType.F32);
            if (reads)
            {
                gpu.Casts.Cast(tensor, _copy);
            }
        }
    }

    public Tensor Tensor => _copy ?? _tensor;

    public ArrayView<float> View => _gpu.View<float>(Tensor);

    public void Dispose()
    {
        if (_copy is null)
        {
            if (_writes)
            {
                _gpu.Written(_tensor);
            }
            return;
        }
        if (_writes)
        {
            _gpu.Casts.Cast(_copy, _tensor);
        }
        _copy.Dispose();
    }
}
