using System.Collections.Concurrent;

namespace PeftCore.Lab.Engine;

/// <summary>Trains up to two runs on one thread, a step of each in turn, so that neither takes the processor from the other and a rate
/// is that of one step at a time. Requests run on the same thread, between two steps.</summary>
internal sealed class LabEngine : IDisposable
{
    private readonly LabOptions _options;
    private readonly BlockingCollection<Action> _jobs = [];
    private readonly ConcurrentDictionary<string, (LabRun Run, RunState State)> _runs = new(StringComparer.Ordinal);
    private readonly Thread _thread;
    private TaskCompletionSource _changed = NewSignal();
    private int _lastId;
    private volatile bool _ended;

    public LabEngine(LabOptions options)
    {
        _options = options;
        Data = new LabData(options);
        Methods = LabMethod.For(options.Model);
        _thread = new Thread(Loop) { Name = "peftcore lab", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Names that runs can have.</summary>
    public static IReadOnlyList<string> RunNames { get; } = ["a", "b"];

    public LabData Data { get; }

    public IReadOnlyList<LabMethod> Methods { get; }

    /// <summary>Completed at the next change of a run.</summary>
    public Task Changed => _changed.Task;

    /// <summary>The runs there are.</summary>
    public IReadOnlyList<RunState> States =>
        [.. _runs.Values.Select(each => each.State).OrderBy(state => state.Name, StringComparer.Ordinal)];

    /// <summary>Makes a run, paused before its first step, in place of the one of this name.</summary>
    /// <exception cref="BadInputException">A setting is invalid for the method or the model.</exception>
    public Task Create(string name, LabSettings settings) => Ask(() =>
    {
        var method = Methods.First(each => each.Name == settings.Method);
        var run = new LabRun(_options, Data, method, settings);
        var state = new RunState(name, ++_lastId, run);
        try
        {
            state.Add(run.Evaluate());
        }
        catch
        {
            run.Dispose();
            throw;
        }
        Remove(name);
        _runs[name] = (run, state);
        return true;
    });

    /// <summary>Removes a run, if there is one of this name.</summary>
    public Task Close(string name) => Ask(() =>
    {
        Remove(name);
        return true;
    });

    /// <summary>Lets a run train some steps and pause then; 0 lets it take one last step, whose tensors can be looked at.</summary>
    /// <exception cref="BadInputException">There is no such run, or it has failed.</exception>
    public Task Train(string name, int steps) => On(name, (_, state) =>
    {
        int left = steps > 0 ? steps : Math.Min(1, state.Left);
        state.Left = state.Problem is null ? left : throw new BadInputException($"run {name} has ended: {state.Problem}");
        return true;
    });

    /// <summary>Runs code on a run between two steps.</summary>
    /// <exception cref="BadInputException">There is no such run.</exception>
    public Task<T> On<T>(string name, Func<LabRun, RunState, T> work) => Ask(() => _runs.TryGetValue(name, out var found)
        ? work(found.Run, found.State) : throw new BadInputException($"there is no run {name} yet; set it up first"));

    public void Dispose()
    {
        _ended = true;
        _jobs.CompleteAdding();
        _thread.Join();
        foreach (string name in RunNames)
        {
            Remove(name);
        }
        _jobs.Dispose();
    }

    private void Remove(string name)
    {
        if (_runs.TryRemove(name, out var former))
        {
            former.Run.Dispose();
        }
    }

    private Task<T> Ask<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            _jobs.Add(() =>
            {
                try
                {
                    done.SetResult(work());
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            });
        }
        catch (InvalidOperationException)
        {
            throw new OperationCanceledException("the lab is ending");
        }
        return done.Task;
    }

    private void Loop()
    {
        while (!_ended)
        {
            var training = _runs.Values.Where(each => each.State.Left > 0).ToList();
            if (training.Count == 0)
            {
                if (!_jobs.TryTake(out var next, Timeout.Infinite))
                {
                    return;
                }
                next();
            }
            training.ForEach(each => Step(each.Run, each.State));
            while (_jobs.TryTake(out var job))
            {
                job();
            }
            Signal();
        }
    }

    private static void Step(LabRun run, RunState state)
    {
        try
        {
            bool isLast = state.Left == 1;
            state.Add(run.Step(trace: isLast));
            state.Memory = [.. run.Memory];
            if (isLast || run.Steps % state.Settings.EvalSteps == 0)
            {
                state.Add(run.Evaluate());
            }
            state.Left--;
        }
        catch (Exception e)
        {
            (state.Problem, state.Left) = (e.Message, 0);
        }
    }

    private void Signal() => Interlocked.Exchange(ref _changed, NewSignal()).SetResult();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
