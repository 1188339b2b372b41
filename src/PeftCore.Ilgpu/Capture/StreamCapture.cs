namespace PeftCore.Ilgpu;

/// <summary>Captures the launches of a stream, so that they can be replayed.</summary>
internal interface IStreamCapture
{
    /// <summary>Begins the capture.</summary>
    void Begin();

    /// <summary>Ends the capture; the captured launches have run or are queued.</summary>
    ICapturedLaunches End();
}

/// <summary>Captured launches.</summary>
internal interface ICapturedLaunches : IDisposable
{
    /// <summary>Queues all of it again.</summary>
    void Run();
}

/// <summary>The capture of a card: the stream records work, and the graph runs it once at the end.</summary>
internal sealed class StreamCapture(nint stream) : IStreamCapture
{
    public void Begin() => CudaGraph.Begin(stream);

    public ICapturedLaunches End()
    {
        var graph = CudaGraph.End(stream);
        graph.Run();
        return graph;
    }
}

/// <summary>The capture of the CPU accelerator: launches run at once and are stored in a list.</summary>
internal sealed class LaunchCapture : IStreamCapture
{
    private List<Action>? _launches;

    /// <summary>Runs a piece of work, and keeps it during a capture. It must refer to memory by address only.</summary>
    public void Launch(Action work)
    {
        work();
        _launches?.Add(work);
    }

    public void Begin() => _launches = [];

    public ICapturedLaunches End()
    {
        var launches = new Launches(_launches!);
        _launches = null;
        return launches;
    }

    private sealed class Launches(List<Action> work) : ICapturedLaunches
    {
        public void Run() => work.ForEach(launch => launch());

        public void Dispose() => work.Clear();
    }
}
