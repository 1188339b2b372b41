using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The device contract. This file holds memory, transfers and synchronization; Backend.Compute.cs holds the compute ops.
/// <para>Each method is one operation on whole tensors. The caller allocates the outputs; an output is overwritten unless <c>accumulate</c>
/// says that the result is added to it. Activations are stored in <see cref="ActivationDType"/> and computed with in F32; weights may be
/// F32, BF16 or F16. Per-row numbers (rstd, log-sum-exp, losses) and gradients of parameters are always F32. The methods check nothing: ops
/// check shapes and dtypes before they call.</para></summary>
public abstract partial class Backend : IDevice, IDisposable
{
    private static int _opened;

    /// <summary>Backends are part of this library: the contract's members are internal.</summary>
    private protected Backend(string name, DType activations = DType.F32) => (Name, ActivationDType) = (name, activations);

    /// <summary>Short name, such as "cpu" or "cuda:0".</summary>
    public string Name { get; }

    /// <summary>The accounting of this device's memory.</summary>
    public MemoryLedger Memory { get; } = new();

    /// <summary>The most bytes that were taken from the device so far, in use or free.</summary>
    public long PeakReservedBytes => Arena.PeakReservedBytes;

    /// <summary>The arena that tensors are allocated in.</summary>
    internal abstract Arena Arena { get; }

    /// <summary>The timer of this device's kernels; null if it has none.</summary>
    internal virtual IKernelProfiler? Profiler => null;

    /// <summary>Graph capture of this device; null if it has none.</summary>
    internal virtual IGraphCapture? GraphCapture => null;

    /// <summary>Copies between host memory and this device beside its kernels; null if the device has none.</summary>
    internal virtual CopyEngine? Copies => null;

    /// <summary>Where the weights of the blocks of models that are loaded on this device are kept; null for all on the device.</summary>
    internal OffloadPlacement? Offload { get; set; }

    /// <summary>The accounting of the host memory that holds what does not fit on the device; null if the device has no copy
    /// engine.</summary>
    public MemoryLedger? HostMemory => Copies?.Host;

    /// <summary>Bytes copied from host memory to the device so far, for weights and checkpoints that are kept on the host.</summary>
    public long UploadedBytes => Copies?.UploadedBytes ?? 0;

    /// <summary>Measures the link from host memory to the device.</summary>
    /// <returns>Bytes per second of copies from page-locked memory with nothing else running; 0 on a device without such a link, or without
    /// 32 MiB of free memory.</returns>
    public double MeasureUploadRate()
    {
        const int Bytes = 32 << 20;
        if (Copies is not { } copies)
        {
            return 0;
        }
        using var turn = EnterPass();
        try
        {
            var to = Allocate(Bytes, MemoryKind.Workspace);
            var from = copies.Allocate(Bytes, MemoryKind.Workspace);
            Synchronize();
            double rate = copies.MeasureUploadRate(from, to.Address);
            copies.Free(from);
            to.Release();
            return rate;
        }
        catch (InsufficientMemoryException)
        {
            return 0;
        }
    }

    /// <summary>The lock of a device that runs one pass at a time, because its launches share a stream and workspace; null if threads may
    /// compute at once. A forward pass, and a training step, holds it while it runs.</summary>
    internal virtual FairLock? PassLock => null;

    /// <summary>Whether a launch costs more than a small product, so that products of many adapters are computed as one.</summary>
    internal virtual bool PrefersFewLaunches => PassLock is not null;

    /// <summary>Bytes that products allocate for themselves once. The ledger counts them; a plan does not.</summary>
    public virtual long OwnBytes => 0;

    /// <summary>Bytes of a memory limit that are left to buffers which are not tensors: <see cref="OwnBytes"/>, and room for small
    /// tables. Tensors may take the rest. A plan within a limit leaves as many, so that its arena finds the chunks that the device's
    /// finds.</summary>
    public virtual long LimitMargin => OwnBytes;

    /// <summary>Whether tensors on this device have shapes and sizes but no data; see <see cref="MetaBackend"/>.</summary>
    internal abstract bool IsMeta { get; }

    /// <summary>The dtype of activations: F32, or BF16 at half the memory and traffic.</summary>
    public DType ActivationDType { get; }

    /// <summary>Copies bytes from the host into a tensor.</summary>
    internal abstract void Upload(ReadOnlySpan<byte> from, Tensor to);

    /// <summary>Copies a tensor's bytes to the host after all queued work on it is done. A device without data writes zeros.</summary>
    internal abstract void Download(Tensor from, Span<byte> to);

    /// <summary>Copies a tensor of the same dtype and element count.</summary>
    internal abstract void Copy(Tensor from, Tensor to);

    /// <summary>Converts between floating-point dtypes, rounding to nearest, ties to even; or dequantises or quantises.</summary>
    internal abstract void Cast(Tensor from, Tensor to);

    /// <summary>Sets every element of an F32 tensor.</summary>
    internal virtual void Fill(Tensor tensor, float value)
    {
        float[] values = new float[Math.Min(tensor.Count, ChunkedTransfer.Elements)];
        Array.Fill(values, value);
        foreach (var (_, chunk) in tensor.Chunks())
        {
            Upload(MemoryMarshal.AsBytes(values.AsSpan(0, (int)chunk.Count)), chunk);
        }
    }

    /// <summary>Sets every byte to zero.</summary>
    internal abstract void Zero(Tensor tensor);

    /// <summary>Waits until all queued work is done. A device without a queue has nothing to wait for.</summary>
    public virtual void Synchronize() { }

    /// <summary>Returns memory that holds no tensor to the system: what only loading or initialising needed.</summary>
    internal abstract void Trim();

    /// <summary>Times every kernel of some work. Returns a table: time, share, launches and rate of each kernel, the longest first; null,
    /// without doing the work, if the device cannot time its kernels.</summary>
    public string? Profile(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (Profiler is null)
        {
            return null;
        }
        Profiler.Start();
        try
        {
            work();
        }
        catch
        {
            Profiler.Stop();
            throw;
        }
        return Profiler.Stop();
    }

    /// <summary>Frees the device and all of its memory.</summary>
    public void Dispose()
    {
        if (!IsDisposed)
        {
            IsDisposed = true;
            Close();
        }
    }

    /// <inheritdoc/>
    bool IDevice.IsDisposed => IsDisposed;

    /// <inheritdoc/>
    int IDevice.Number { get; } = Interlocked.Increment(ref _opened);

    private bool IsDisposed { get; set; }

    /// <summary>Frees the device and all of its memory.</summary>
    internal virtual void Close() => Arena.Dispose();

    Storage IDevice.Allocate(long bytes, MemoryKind kind) => Allocate(bytes, kind);

    void IDevice.Free(Storage storage) => Free(storage);

    /// <summary>Allocates a storage. Its contents are undefined.</summary>
    /// <exception cref="InsufficientMemoryException">There is not enough memory; the message gives the requested and the used
    /// bytes.</exception>
    internal abstract Storage Allocate(long bytes, MemoryKind kind);

    /// <summary>Frees a storage. The storage calls this when its last reference is dropped.</summary>
    internal abstract void Free(Storage storage);

    /// <summary>Waits until no other thread's pass runs on a device that runs one at a time.</summary>
    internal FairLock.Hold EnterPass() => PassLock?.EnterExclusive() ?? default;
}
