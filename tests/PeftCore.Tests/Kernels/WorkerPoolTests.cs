using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class WorkerPoolTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    public void Every_item_runs_exactly_once(int threads)
    {
        using WorkerPool pool = new(threads);
        for (int count = 0; count < 300; count++)
        {
            int[] runs = new int[count];
            Count body = new(runs);
            pool.For(count, ref body);
            Assert.That(runs, Is.All.EqualTo(1));
        }
    }

    [Test]
    public void A_call_inside_an_item_runs_inline()
    {
        using WorkerPool pool = new(3);
        int[] runs = new int[20];
        Nested body = new(pool, runs);
        pool.For(20, ref body);
        Assert.That(runs, Is.All.EqualTo(20));
    }

    [Test]
    public void Calls_from_several_threads_at_once_all_finish()
    {
        using WorkerPool pool = new(3);
        int[] runs = new int[50];
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                Count body = new(runs);
                pool.For(50, ref body);
            }
        }))];
        Array.ForEach(callers, c => c.Start());
        Array.ForEach(callers, c => c.Join());
        Assert.That(runs, Is.All.EqualTo(800));
    }

    [TestCase(1)]
    [TestCase(4)]
    public void An_exception_of_an_item_reaches_the_caller_and_the_pool_goes_on(int threads)
    {
        using WorkerPool pool = new(threads);
        for (int round = 0; round < 20; round++)
        {
            Failing failing = new(round);
            Assert.That(() => pool.For(40, ref failing), Throws.InvalidOperationException.With.Message.EqualTo($"item {round}"));
        }

        int[] runs = new int[10];
        Count body = new(runs);
        pool.For(10, ref body);
        Assert.That(runs, Is.All.EqualTo(1));
    }

    [Test]
    public void A_call_allocates_nothing()
    {
        using WorkerPool pool = new(2);
        Count body = new(new int[64]);
        pool.For(64, ref body);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            pool.For(64, ref body);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void Lent_buffers_are_distinct_aligned_and_lent_again()
    {
        using WorkerPool pool = new(1);
        nint first = Use(pool, out bool apart);
        Assert.That(apart);
        Assert.That((long)first % 64, Is.Zero);
        Assert.That(Use(pool, out _), Is.EqualTo(first));
    }

    private static unsafe nint Use(WorkerPool pool, out bool apart)
    {
        using var a = pool.Scratch.Rent(1000);
        using var b = pool.Scratch.Rent(10);
        apart = b.Pointer + 10 <= a.Pointer || b.Pointer >= a.Pointer + 1000;
        return (nint)a.Pointer;
    }

    private readonly struct Count(int[] runs) : IParallelBody
    {
        public void Run(int item) => Interlocked.Increment(ref runs[item]);
    }

    private readonly struct Nested(WorkerPool pool, int[] runs) : IParallelBody
    {
        public void Run(int item)
        {
            Count inner = new(runs);
            pool.For(runs.Length, ref inner);
        }
    }

    private readonly struct Failing(int at) : IParallelBody
    {
        public void Run(int item)
        {
            if (item == at)
            {
                throw new InvalidOperationException($"item {item}");
            }
        }
    }
}
