namespace PeftCore.Backends;

/// <summary>Copies on the processor, which end before the call returns and are part of a graph that is captured meanwhile.</summary>
internal sealed class CpuCopyEngine(CpuStream stream) : CopyEngine
{
    private readonly HostMemory _memory = new(long.MaxValue);

    protected override nint Take(long bytes) => _memory.Take(bytes);

    protected override void Return(nint address, long bytes) => _memory.Return(address, bytes);

    protected override unsafe void Start(nint from, nint to, long bytes, bool isUpload, CopyEvent done) =>
        stream.Launch(new LaunchCost(isUpload ? "upload" : "download", new Work(0, 2.0 * bytes)), (from, to, bytes),
            static (copy, _) => Buffer.MemoryCopy((void*)copy.from, (void*)copy.to, copy.bytes, copy.bytes));

    protected override void MakeKernelsWait(CopyEvent copy) { }
}
