using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace PeftCore.Extensions.AI;

/// <summary>The jobs that <see cref="AdapterTrainingService"/> trains, one after the other.
/// <code>
/// var job = await queue.EnqueueAsync(new AdapterTrainingRequest { Adapter = "poems", Rows = rows });
/// var result = await job.Completion;
/// </code></summary>
public sealed class AdapterTrainingQueue
{
    private readonly Channel<AdapterTrainingJob> _jobs;

    /// <summary>Creates a queue.</summary>
    /// <param name="capacity">Jobs that wait at most.</param>
    public AdapterTrainingQueue(int capacity = 16)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _jobs = Channel.CreateBounded<AdapterTrainingJob>(new BoundedChannelOptions(capacity) { SingleReader = true });
    }

    /// <summary>Adds a job, as soon as there is a place.</summary>
    /// <param name="request">What to train.</param>
    /// <param name="cancellationToken">Ends the wait for a place.</param>
    /// <exception cref="BadInputException">The request is invalid.</exception>
    public async ValueTask<AdapterTrainingJob> EnqueueAsync(AdapterTrainingRequest request, CancellationToken cancellationToken = default)
    {
        var job = NewJob(request);
        await _jobs.Writer.WriteAsync(job, cancellationToken).ConfigureAwait(false);
        return job;
    }

    /// <summary>Adds a job if there is a place.</summary>
    /// <param name="request">What to train.</param>
    /// <param name="job">The job; null if the queue is full.</param>
    /// <exception cref="BadInputException">The request is invalid.</exception>
    public bool TryEnqueue(AdapterTrainingRequest request, [NotNullWhen(true)] out AdapterTrainingJob? job)
    {
        job = NewJob(request);
        job = _jobs.Writer.TryWrite(job) ? job : null;
        return job is not null;
    }

    /// <summary>The jobs in their order.</summary>
    internal ChannelReader<AdapterTrainingJob> Jobs => _jobs.Reader;

    /// <summary>Takes no more jobs, and cancels those that wait.</summary>
    internal void Close()
    {
        _jobs.Writer.TryComplete();
        while (_jobs.Reader.TryRead(out var job))
        {
            job.EndCancelled();
        }
    }

    private static AdapterTrainingJob NewJob(AdapterTrainingRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Check();
        return new AdapterTrainingJob(request);
    }
}
