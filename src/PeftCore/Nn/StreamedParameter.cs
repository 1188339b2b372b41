using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Keeps the values of a parameter off the device.</summary>
internal abstract class OffloadedParameter
{
    /// <summary>Makes the values readable. Work that is queued from now on may read them, until those of another block take their
    /// place.</summary>
    public abstract void EnsureResident();

    /// <summary>A tensor for the values, contents undefined; the caller writes it before anything else is read.</summary>
    /// <exception cref="InvalidOperationException">It has another size than was planned.</exception>
    public abstract Tensor NewTensor(Backend backend, Shape shape, DType dtype);

    /// <summary>A quantised tensor for the values, contents undefined; the caller writes it before anything else is read.</summary>
    /// <exception cref="InvalidOperationException">It has another size than was planned.</exception>
    public abstract Tensor NewTensor(Backend backend, Shape shape, QuantizedFormat format);
}

/// <summary>A parameter of a block whose matrices are in host memory and are copied to a slot on the device ahead of use.</summary>
/// <param name="streamer">The streamer of the model.</param>
/// <param name="block">The block.</param>
/// <param name="offset">Offset in the slot.</param>
/// <param name="bytes">Planned bytes.</param>
internal sealed class StreamedParameter(LayerStreamer streamer, StreamedBlock block, long offset, long bytes) : OffloadedParameter
{
    public override void EnsureResident() => streamer.EnsureResident(block);

    public override Tensor NewTensor(Backend backend, Shape shape, DType dtype)
    {
        CheckSize(shape.Count * dtype.Size);
        if (dtype == DType.F32 && backend.ActivationDType == DType.BF16)
        {
            throw new BadInputException("weights that are kept on the host must be BF16 if activations are: convert them while loading, " +
                "as --dtype bf16 does");
        }
        streamer.BeginWrite(block);
        return Tensor.Owning(streamer.Slice(block, offset, bytes), shape, dtype);
    }

    public override Tensor NewTensor(Backend backend, Shape shape, QuantizedFormat format)
    {
        CheckSize(format.PartsOf(shape).Bytes);
        streamer.BeginWrite(block);
        return Tensor.Owning(streamer.Slice(block, offset, bytes), shape, format);
    }

    private void CheckSize(long needed)
    {
        if (needed != bytes)
        {
            throw new InvalidOperationException($"a parameter of {needed} bytes was planned with {bytes}");
        }
    }
}
