using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>A card's copies from and to page-locked host memory, on a stream for each direction, as a card has a copy engine for each.
/// Events order them with the stream of the kernels: a copy waits for the kernels that were queued before it, kernels wait for a copy only
/// where they read its result. During a graph capture the same events make the copies branches of the graph.</summary>
internal sealed class CudaCopyEngine : CopyEngine
{
    private const int RateCopies = 8;

    private readonly GpuDevice _device;
    private readonly CudaStream _kernels;
    private readonly CudaStream _uploads;
    private readonly CudaStream _downloads;
    private readonly nint _queued;

    /// <summary>Opens the streams.</summary>
    /// <param name="device">The card.</param>
    /// <param name="kernels">The stream of its kernels.</param>
    public CudaCopyEngine(GpuDevice device, CudaStream kernels)
    {
        (_device, _kernels) = (device, kernels);
        device.Accelerator.Bind();
        _uploads = (CudaStream)device.Accelerator.CreateStream();
        _downloads = (CudaStream)device.Accelerator.CreateStream();
        _queued = CudaDriver.CreateEvent();
    }

    public override CopyEvent NewEvent()
    {
        _device.Accelerator.Bind();
        return new CudaCopyEvent(_device.Accelerator);
    }

    public override double MeasureUploadRate(HostBlock from, nint to)
    {
        _device.Accelerator.Bind();
        nint start = CudaDriver.CreateEvent(), end = CudaDriver.CreateEvent();
        Copy(from.Address, to, from.Bytes, _uploads);
        CudaDriver.RecordEvent(start, _uploads.StreamPtr);
        for (int i = 0; i < RateCopies; i++)
        {
            Copy(from.Address, to, from.Bytes, _uploads);
        }
        CudaDriver.RecordEvent(end, _uploads.StreamPtr);
        _uploads.Synchronize();
        float milliseconds = CudaDriver.Elapsed(start, end);
        CudaDriver.DestroyEvent(start);
        CudaDriver.DestroyEvent(end);
        return RateCopies * from.Bytes / (milliseconds / 1e3);
    }

    public override void Dispose()
    {
        _device.Accelerator.Bind();
        base.Dispose();
        CudaDriver.DestroyEvent(_queued);
        _uploads.Dispose();
        _downloads.Dispose();
    }

    protected override nint Take(long bytes)
    {
        _device.Accelerator.Bind();
        var error = CudaAPI.CurrentAPI.AllocateHostMemory(out nint address, (nint)bytes);
        return error == CudaError.CUDA_SUCCESS ? address : throw new InsufficientMemoryException(
            $"the NVIDIA driver refused {bytes / (1024.0 * 1024):N0} MiB of page-locked host memory ({error}): lower the host's limit, " +
            "such as --max-memory cuda=10GiB,cpu=20GiB, or free memory of the machine");
    }

    protected override void Return(nint address, long bytes) => CudaAPI.CurrentAPI.FreeHostMemory(address);

    protected override void Start(nint from, nint to, long bytes, bool isUpload, CopyEvent done)
    {
        _device.Accelerator.Bind();
        var stream = isUpload ? _uploads : _downloads;
        CudaDriver.RecordEvent(_queued, _kernels.StreamPtr);
        CudaDriver.WaitEvent(stream.StreamPtr, _queued);
        _device.Timer?.StartCopy(stream);
        Copy(from, to, bytes, stream);
        _device.Timer?.StopCopy(isUpload ? "copy host to device" : "copy device to host", bytes, stream);
        CudaDriver.RecordEvent(((CudaCopyEvent)done).Handle, stream.StreamPtr);
    }

    protected override void MakeKernelsWait(CopyEvent copy)
    {
        _device.Accelerator.Bind();
        CudaDriver.WaitEvent(_kernels.StreamPtr, ((CudaCopyEvent)copy).Handle);
    }

    private static void Copy(nint from, nint to, long bytes, CudaStream stream)
    {
        var error = CudaAPI.CurrentAPI.MemcpyAsync(to, from, (nint)bytes, stream);
        if (error != CudaError.CUDA_SUCCESS)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused a copy of {bytes} bytes: {error}");
        }
    }

    /// <summary>The end of a copy, as an event of the driver.</summary>
    private sealed class CudaCopyEvent(Accelerator accelerator) : CopyEvent
    {
        public nint Handle { get; private set; } = CudaDriver.CreateEvent();

        public override void Dispose()
        {
            if (Handle != 0)
            {
                accelerator.Bind();
                CudaDriver.DestroyEvent(Handle);
                Handle = 0;
            }
        }
    }
}
