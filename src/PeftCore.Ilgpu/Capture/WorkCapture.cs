namespace PeftCore.Ilgpu;

/// <summary>Takes down what a device is given to do, so that it can be done again.</summary>
internal interface IWorkCapture
{
    /// <summary>Starts.</summary>
    void Begin();

    /// <summary>Stops; what was taken down has been done or is queued.</summary>
    ICapturedWork End();
}

/// <summary>Work that was taken down.</summary>
internal interface ICapturedWork : IDisposable
{
    /// <summary>Queues all of it again.</summary>
    void Run();
}

/// <summary>On a card: a stream that is captured does nothing until the graph is launched.</summary>
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

/// <summary>Elsewhere: launches are remembered while they are done.</summary>
internal sealed class LaunchCapture : IWorkCapture
{
    private List<Action>? _launches;

    /// <summary>Does a piece of work, and remembers it if asked to. It must refer to memory by address only.</summary>
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
