namespace PeftCore.Ilgpu;

/// <summary>Captures the work queued on a device, so that it can run again.</summary>
internal interface IWorkCapture
{
    /// <summary>Begins the capture.</summary>
    void Begin();

    /// <summary>Ends the capture; the captured work has run or is queued.</summary>
    ICapturedWork End();
}

/// <summary>Captured work.</summary>
internal interface ICapturedWork : IDisposable
{
    /// <summary>Queues all of it again.</summary>
    void Run();
}

/// <summary>The capture of a card: the stream records work, and the graph runs it once at the end.</summary>
internal sealed class StreamCapture(nint stream) : IWorkCapture
{
    public void Begin() => CudaGraph.Begin(stream);

    public ICapturedWork End()
    {
        var graph = CudaGraph.End(stream);
        graph.Run();
        return graph;
    }
}

/// <summary>The capture of the CPU accelerator: launches run at once and are stored in a list.</summary>
internal sealed class LaunchCapture : IWorkCapture
{
    private List<Action>? _launches;

    /// <summary>Runs work, and during a capture also adds it to the list. It must refer to memory by address only.</summary>
    public void Do(Action work)
    {
        work();
        _launches?.Add(work);
    }

    public void Begin() => _launches = [];

    public ICapturedWork End()
    {
        var launches = new Launches(_launches!);
        _launches = null;
        return launches;
    }

    private sealed class Launches(List<Action> work) : ICapturedWork
    {
        public void Run() => work.ForEach(launch => launch());

        public void Dispose() => work.Clear();
    }
}
