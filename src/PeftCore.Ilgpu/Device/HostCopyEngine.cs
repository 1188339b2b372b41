using ILGPU.Runtime;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Copies of ILGPU's CPU accelerator, whose device memory is host memory too: they end before the call returns.</summary>
internal sealed class HostCopyEngine(Accelerator accelerator, LaunchCapture launches) : CopyEngine
{
    private readonly HostMemory _memory = new(long.MaxValue);

    protected override nint Take(long bytes) => _memory.Take(bytes);

    protected override void Return(nint address, long bytes) => _memory.Return(address, bytes);

    protected override unsafe void Start(nint from, nint to, long bytes, bool isUpload, CopyEvent done) => launches.Launch(() =>
    {
        accelerator.Synchronize();
        Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);
    });

    protected override void MakeKernelsWait(CopyEvent copy) { }
}
