namespace PeftCore.Backends;

/// <summary>A device that can capture the kernel launches of a pass as a graph and replay them without running the host code again: a CUDA
/// graph, or on the processor a list of launches.</summary>
internal interface IGraphCapture
{
    /// <summary>Whether a capture can begin now.</summary>
    bool CanCapture { get; }

    /// <summary>The maximum number of graphs kept at a time.</summary>
    int MaxGraphs { get; }

    /// <summary>The allocator of the device's tensors.</summary>
    Arena Arena { get; }

    /// <summary>Runs the work and captures its launches.</summary>
    /// <param name="work">Launches kernels. The tensors it reads must keep their addresses as long as the graph is replayed.</param>
    /// <param name="pass">Number of the pass. A replay as pass n adds n − pass to the stream numbers of random generators.</param>
    ICapturedGraph Capture(Action work, ulong pass);
}

/// <summary>Captured kernel launches.</summary>
internal interface ICapturedGraph : IDisposable
{
    /// <summary>False if the host read or wrote data during the capture, or if a random fill was launched. The work has then run once and
    /// cannot be replayed.</summary>
    bool CanReplay { get; }

    /// <summary>Replays the launches, if the same memory is in use as at the start of the capture.</summary>
    /// <param name="outputs">Tensors that the work produces. They are allocated at their addresses first; the caller disposes
    /// them.</param>
    /// <param name="pass">Number of the pass.</param>
    /// <returns>False, with nothing run, if other memory is in use.</returns>
    bool Replay(ReadOnlySpan<StaticTensor> outputs, ulong pass);
}
