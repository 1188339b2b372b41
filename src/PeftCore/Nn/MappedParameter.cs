using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A parameter whose values stay in the memory map of a weight file: the processor reads them there, and the system keeps of them
/// in memory what fits.</summary>
internal sealed class MappedParameter : OffloadedParameter
{
    public override void EnsureResident() { }

    public override Tensor NewTensor(Backend backend, Shape shape, DType dtype) => throw Changed(shape);

    public override Tensor NewTensor(Backend backend, Shape shape, QuantizedFormat format) => throw Changed(shape);

    private static BadInputException Changed(Shape shape) => new(
        $"a weight of shape {shape} was planned to stay in its file, but what was loaded has no such bytes: it was changed or converted");
}
