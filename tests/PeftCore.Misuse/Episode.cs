using System.Collections.Concurrent;
using PeftCore.Backends;

namespace PeftCore.Misuse;

/// <summary>A sequence of random calls in one world, on two threads in turn. The same seed makes the same calls.</summary>
internal sealed class Episode(IReadOnlyList<EntryPoint> entries, Journal journal, int seed, int number)
{
    private const int Calls = 50;

    // Entry points by weight: an index occurs as often as its entry's weight.
    private readonly int[] _tickets = [.. Enumerable.Range(0, entries.Count).SelectMany(i => Enumerable.Repeat(i, entries[i].Weight))];

    private readonly Random _random = new(unchecked(seed * 1_000_003 + number));

    public void Run(Files files, string directory, Func<Backend>? device)
    {
        var world = new World(_random, directory, files, device);
        using var second = new Turn();
        using var first = new Turn();
        var values = new Values(world, _random, again => Step(again, world, nested: true));
        for (int i = 0; i < Calls; i++)
        {
            (_random.Next(8) == 0 ? second : first).Run(() => Step(values, world, nested: false));
        }
        // Whatever is still open ends, in any order.
        for (int i = 0; i < 10; i++)
        {
            first.Run(() => Dispose(values, world));
        }
        first.Run(() => Judged("dispose backends", () =>
        {
            for (int i = 0; i < 4; i++)
            {
                (world.Any(typeof(Backend), _random) as Backend)?.Dispose();
            }
            return null;
        }, world));
    }

    private void Step(Values values, World world, bool nested)
    {
        if (_random.Next(12) == 0)
        {
            Dispose(values, world);
            return;
        }
        var entry = entries[_tickets[_random.Next(_tickets.Length)]];
        journal.Begin(number, $"{(nested ? "  in a callback: " : "")}{entry.Name}");
        Judged(entry.Name, () =>
        {
            object? receiver = entry.Receiver is { } type ? values.Receiver(type) : null;
            if (entry.Receiver is not null && receiver is null)
            {
                return null;
            }
            object?[] arguments = values.Arguments(entry);
            journal.With(receiver, arguments);
            object? result = entry.Call(receiver, arguments);
            journal.Success(entry);
            // A sequence is lazy: it runs when it is read.
            return result is System.Collections.IEnumerable and not string and not System.Collections.ICollection
                ? ((System.Collections.IEnumerable)result).Cast<object?>().Take(4).ToArray() : result;
        }, world);
    }

    private void Dispose(Values values, World world)
    {
        // A disposed backend ends most of what the world can do.
        if (world.Any(typeof(IDisposable), _random) is IDisposable found && (found is not Backend || _random.Next(5) == 0))
        {
            journal.Begin(number, $"dispose {Journal.Show(found)}");
            Judged(found.GetType().Name + ".Dispose()", () =>
            {
                found.Dispose();
                return null;
            }, world);
        }
    }

    private void Judged(string name, Func<object?> call, World world)
    {
        try
        {
            world.Add(call());
            journal.End(null);
        }
        catch (Exception e)
        {
            journal.End(e);
            if (Judge.Fault(e) is { } reason)
            {
                journal.Fault(name, reason, e);
            }
        }
    }

    /// <summary>A thread that runs one action at a time, so that what is bound to a thread stays on one.</summary>
    private sealed class Turn : IDisposable
    {
        private readonly BlockingCollection<(Action Action, ManualResetEventSlim Done)> _queue = [];

        public Turn()
        {
            var thread = new Thread(() =>
            {
                foreach (var (action, done) in _queue.GetConsumingEnumerable())
                {
                    action();
                    done.Set();
                }
            }, 16 << 20)
            { IsBackground = true };
            thread.Start();
        }

        public void Run(Action action)
        {
            using var done = new ManualResetEventSlim();
            _queue.Add((action, done));
            done.Wait();
        }

        public void Dispose() => _queue.CompleteAdding();
    }
}
