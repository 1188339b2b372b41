namespace PeftCore.Ilgpu;

/// <summary>A CUDA graph: the work of a captured stream, launched as a whole.</summary>
internal sealed class CudaGraph : ICapturedLaunches
{
    private readonly nint _stream;
    private nint _graph;
    private nint _executable;

    private CudaGraph(nint graph, nint executable, nint stream) => (_graph, _executable, _stream) = (graph, executable, stream);

    /// <summary>Begins the capture: the stream records work instead of running it.</summary>
    public static unsafe void Begin(nint stream)
    {
        const int Relaxed = 2; // CU_STREAM_CAPTURE_MODE_RELAXED: calls that do not touch the stream stay allowed.
        CudaDriver.Check(((delegate* unmanaged<nint, int, int>)CudaDriver.Export("cuStreamBeginCapture_v2"))(stream, Relaxed),
            "to capture a stream");
    }

    /// <summary>Ends the capture. None of the captured work has run yet.</summary>
    public static unsafe CudaGraph End(nint stream)
    {
        nint graph, executable;
        CudaDriver.Check(((delegate* unmanaged<nint, nint*, int>)CudaDriver.Export("cuStreamEndCapture"))(stream, &graph),
            "to end a capture");
        CudaDriver.Check(((delegate* unmanaged<nint*, nint, ulong, int>)CudaDriver.Export("cuGraphInstantiateWithFlags"))(&executable,
            graph, 0), "to make a graph");
        return new CudaGraph(graph, executable, stream);
    }

    public unsafe void Run() =>
        CudaDriver.Check(((delegate* unmanaged<nint, nint, int>)CudaDriver.Export("cuGraphLaunch"))(_executable, _stream),
            "to launch a graph");

    public unsafe void Dispose()
    {
        if (_executable != 0)
        {
            CudaDriver.Check(((delegate* unmanaged<nint, int>)CudaDriver.Export("cuGraphExecDestroy"))(_executable), "to free a graph");
            CudaDriver.Check(((delegate* unmanaged<nint, int>)CudaDriver.Export("cuGraphDestroy"))(_graph), "to free a graph");
            (_graph, _executable) = (0, 0);
        }
    }
}
