using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>What a device can compute. Each method is one job on whole tensors; outputs are made by the caller, and an output is
/// overwritten unless <c>accumulate</c> says that the result is added to it. Activations are stored as <see cref="ActivationDType"/> says,
/// and computed with in F32; weights may be F32, BF16 or F16. Numbers a row (rstd, log-sum-exp, losses) and gradients of parameters are F32
/// always. The methods check nothing: ops do.</summary>
public partial interface IBackend : IDevice, IDisposable
{
    /// <summary>Whether tensors here have shapes and sizes but no data (see <see cref="MetaBackend"/>).</summary>
    bool IsMeta { get; }

    /// <summary>How this backend stores what flows through a model: F32, or BF16 at half the memory and traffic.</summary>
    DType ActivationDType => DType.F32;

    /// <summary>Copies bytes from the host into a tensor.</summary>
    void Upload(ReadOnlySpan<byte> from, Tensor to);

    /// <summary>Copies a tensor's bytes to the host, after all work on it is done. Without data the bytes become zero.</summary>
    void Download(Tensor from, Span<byte> to);

    /// <summary>Copies a tensor of the same dtype and element count.</summary>
    void Copy(Tensor from, Tensor to);

    /// <summary>Converts between floating-point dtypes, rounding to nearest even.</summary>
    void Cast(Tensor from, Tensor to);

    /// <summary>Sets every element of an F32 tensor.</summary>
    void Fill(Tensor tensor, float value)
    {
        float[] values = new float[tensor.Count];
        Array.Fill(values, value);
        Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values), tensor);
    }

    /// <summary>Sets every byte to zero.</summary>
    void Zero(Tensor tensor);

    /// <summary>Waits until everything asked for is done.</summary>
    void Synchronize();
}
