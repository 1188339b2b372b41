namespace PeftCore.Backends;

/// <summary>Counts the host memory and the copies of a device without data.</summary>
internal sealed class MetaCopyEngine : CopyEngine
{
    protected override nint Take(long bytes) => 0;

    protected override void Return(nint address, long bytes) { }

    protected override void Start(nint from, nint to, long bytes, bool isUpload, CopyEvent done) { }

    protected override void MakeKernelsWait(CopyEvent copy) { }
}
