using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The device contract. This file holds memory, transfers and synchronization; IBackend.Compute.cs holds the compute ops.
/// <para>Each method is one job on whole tensors. The caller allocates the outputs; an output is overwritten unless <c>accumulate</c> says
/// that the result is added to it. Activations are stored in <see cref="ActivationDType"/> and computed with in F32; weights may be F32,
/// BF16 or F16. Per-row numbers (rstd, log-sum-exp, losses) and gradients of parameters are always F32. The methods check nothing: ops
/// check shapes and dtypes before they call.</para></summary>
public partial interface IBackend : IDevice, IDisposable
{
    /// <summary>Whether tensors on this device have shapes and sizes but no data; see <see cref="MetaBackend"/>.</summary>
    bool IsMeta { get; }

    /// <summary>The dtype of activations: F32, or BF16 at half the memory and traffic.</summary>
    DType ActivationDType => DType.F32;

    /// <summary>Copies bytes from the host into a tensor.</summary>
    void Upload(ReadOnlySpan<byte> from, Tensor to);

    /// <summary>Copies a tensor's bytes to the host after all queued work on it is done. A device without data writes zeros.</summary>
    void Download(Tensor from, Span<byte> to);

    /// <summary>Copies a tensor of the same dtype and element count.</summary>
    void Copy(Tensor from, Tensor to);

    /// <summary>Converts between floating-point dtypes, rounding to nearest, ties to even.</summary>
    void Cast(Tensor from, Tensor to);

    /// <summary>Sets every element of an F32 tensor.</summary>
    void Fill(Tensor tensor, float value)
    {
        float[] values = new float[tensor.Count];
        Array.Fill(values, value);
        Upload(MemoryMarshal.AsBytes<float>(values), tensor);
    }

    /// <summary>Sets every byte to zero.</summary>
    void Zero(Tensor tensor);

    /// <summary>Waits until all queued work is done.</summary>
    void Synchronize();
}
