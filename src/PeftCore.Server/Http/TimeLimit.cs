namespace PeftCore.Server.Http;

/// <summary>Ends a request when its time is over, or when its client has gone.</summary>
internal sealed class TimeLimit : IDisposable
{
    private readonly TimeSpan _limit;
    private readonly CancellationTokenSource _time;
    private readonly CancellationTokenSource _any;

    /// <param name="limit">The longest time.</param>
    /// <param name="client">Cancelled when the client has gone.</param>
    public TimeLimit(TimeSpan limit, CancellationToken client)
    {
        _limit = limit;
        _time = new CancellationTokenSource(limit);
        _any = CancellationTokenSource.CreateLinkedTokenSource(client, _time.Token);
    }

    /// <summary>Runs the request.</summary>
    /// <exception cref="ApiException">Its time is over.</exception>
    public async Task Run(Func<CancellationToken, Task> body)
    {
        try
        {
            await body(_any.Token);
        }
        catch (OperationCanceledException) when (_time.IsCancellationRequested)
        {
            throw new ApiException(504, FormattableString.Invariant($"the request was not answered within {_limit.TotalSeconds:0.###} s") +
                "; ask for fewer tokens, or start the server with a longer --timeout", code: "timeout");
        }
    }

    public void Dispose()
    {
        _any.Dispose();
        _time.Dispose();
    }
}
