using System.Collections.Concurrent;
using PeftCore.Backends;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class AffinityTests
{
    [Test]
    public void Each_thread_runs_on_its_processor_and_the_caller_is_free_again_afterwards()
    {
        if (!Affinity.IsSupported)
        {
            Assert.Ignore("threads cannot be bound on this system");
        }
        var allowed = Affinity.OfThisThread();
        int[] processors = [allowed[^1], allowed[0]];
        var seen = new ConcurrentDictionary<int, IReadOnlyList<int>>();
        using (var pool = new WorkerPool(2, processors))
        {
            var body = new Look(seen, new Barrier(2));
            pool.For(2, ref body);
        }
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen[Environment.CurrentManagedThreadId], Is.EqualTo(new[] { processors[0] }));
            Assert.That(seen.Values.SelectMany(some => some), Is.EquivalentTo(processors));
            Assert.That(Affinity.OfThisThread(), Is.EqualTo(allowed));
        }
    }

    [Test]
    public void A_processor_that_is_not_there_is_named()
    {
        if (!Affinity.IsSupported)
        {
            Assert.Ignore("threads cannot be bound on this system");
        }
        Assert.That(() => new CpuBackend(1, processors: [1023]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("may not run on processor 1023"));
    }

    [Test]
    public void More_threads_than_processors_are_refused()
    {
        if (!Affinity.IsSupported)
        {
            Assert.Ignore("threads cannot be bound on this system");
        }
        Assert.That(() => new CpuBackend(2, processors: [Affinity.OfThisThread()[0]]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("2 threads need as many processors"));
    }

    /// <summary>Both items wait for each other, so that each thread runs one.</summary>
    private readonly struct Look(ConcurrentDictionary<int, IReadOnlyList<int>> seen, Barrier both) : IParallelBody
    {
        public void Run(int item)
        {
            seen[Environment.CurrentManagedThreadId] = Affinity.OfThisThread();
            both.SignalAndWait(TimeSpan.FromSeconds(30));
        }
    }
}
