using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>The thread of a <see cref="ContinuousBatcher"/>. Between two steps:
/// 1. requests that were cancelled, or whose adapter was deleted, leave;
/// 2. requests that wait join while there are rows: their prompt is read, and their first token chosen;
/// then a step reads the last token of every row and chooses the next.</summary>
internal sealed class BatchLoop : IDisposable
{
    private readonly PeftModel _model;
    private readonly BatchedDecoder _decoder;
    private readonly Queue<BatchRequest> _queue = [];
    private readonly object _gate = new(); // Guards the queue and what follows.
    private readonly int _maxRows;
    private readonly int _maxQueue;
    private readonly Thread _thread;
    private readonly List<BatchRequest> _rows = []; // Row i of the decoder belongs to request i.
    private readonly List<int> _tokens = []; // The token that each row reads next.
    private MixedRows? _adapters; // Those of the rows; null after a row joined or left.
    private float[] _logits;
    private int _running;
    private bool _disposed;

    public BatchLoop(PeftModel model, int maxRows, int maxQueue, int capacity, DType cacheDType)
    {
        (_model, _maxRows, _maxQueue) = (model, maxRows, maxQueue);
        var causal = CausalModel.Of(model.Base);
        _decoder = new BatchedDecoder(causal, causal.Backend, maxRows, capacity, cacheDType);
        _logits = new float[causal.VocabularySize];
        _thread = new Thread(Run) { IsBackground = true, Name = "PeftCore batch" };
        _thread.UnsafeStart(); // The adapters of the creating call are not those of the requests.
    }

    public int RunningCount => Volatile.Read(ref _running);

    public int QueuedCount
    {
        get
        {
            lock (_gate)
            {
                return _queue.Count;
            }
        }
    }

    public int Capacity => _decoder.Capacity;

    public DType CacheDType => _decoder.CacheDType;

    public long CacheBytes => _decoder.CacheBytes;

    /// <summary>Adds a request to the queue.</summary>
    /// <exception cref="QueueFullException">The queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The loop has ended.</exception>
    public void Submit(BatchRequest request)
    {
        request.WakeOnCancel(Wake);
        lock (_gate)
        {
            if (!_disposed && _queue.Count < _maxQueue)
            {
                _queue.Enqueue(request);
                Monitor.Pulse(_gate);
                return;
            }
        }
        request.Dispose();
        ObjectDisposedException.ThrowIf(_disposed, typeof(ContinuousBatcher));
        throw new QueueFullException(_maxQueue);
    }

    /// <summary>Ends the thread after its step; called by a request's callback, it ends after that request's token.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Monitor.Pulse(_gate);
        }
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    private void Wake()
    {
        lock (_gate)
        {
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        using var evaluation = new EvalModeScope(_model.Base.Mode);
        while (WaitForWork())
        {
            LeaveIf(request => request.IsCancelled, request => request.Cancel());
            LeaveIf(request => request.Problem is not null, request => request.Fail(request.Problem!));
            while (_rows.Count < _maxRows && Next() is { } request)
            {
                Join(request);
            }
            if (_rows.Count > 0)
            {
                Step();
            }
            Volatile.Write(ref _running, _rows.Count);
        }
        End();
    }

    /// <summary>Waits for a request.</summary>
    /// <returns>False if the batcher was disposed.</returns>
    private bool WaitForWork()
    {
        lock (_gate)
        {
            while (!_disposed && _rows.Count == 0 && _queue.Count == 0)
            {
                Monitor.Wait(_gate);
            }
            return !_disposed;
        }
    }

    private BatchRequest? Next()
    {
        lock (_gate)
        {
            while (!_disposed && _queue.TryDequeue(out var request))
            {
                if (!request.IsCancelled)
                {
                    return request;
                }
                request.Cancel();
            }
            return null;
        }
    }

    /// <summary>Reads the prompt of a request and chooses its first token. A request that fails takes no row.</summary>
    private void Join(BatchRequest request)
    {
        int before = _decoder.Sequences;
        try
        {
            var logits = _logits.AsSpan(0, _decoder.VocabularySize);
            _model.Set.With(request.Adapter?.Alone ?? [], () =>
            {
                _decoder.Join(request.Text.Prompt, request.Length, _logits.AsSpan(0, _decoder.VocabularySize));
                return true;
            });
            if (request.Advance(logits))
            {
                _rows.Add(request);
                _tokens.Add(request.Search.Next[0].Token);
                _adapters = null;
                return;
            }
        }
        catch (Exception e)
        {
            request.Fail(e);
        }
        if (_decoder.Sequences > before)
        {
            _decoder.Leave(before);
        }
    }

    private void Step()
    {
        int vocabulary = _decoder.VocabularySize, count = _rows.Count * vocabulary;
        _logits = _logits.Length >= count ? _logits : new float[_maxRows * vocabulary];
        try
        {
            Run(() =>
            {
                _decoder.Step([.. _tokens], _logits.AsSpan(0, count));
                return true;
            });
        }
        catch (Exception) when (_rows.Exists(request => request.Problem is not null))
        {
            return; // An adapter was deleted just now: the step has computed nothing, and the requests that name it leave before the next.
        }
        catch (Exception e)
        {
            var reason = new InvalidOperationException($"a step of the batch failed, and its texts with it: {e.Message}", e);
            _rows.ForEach(request => request.Fail(reason));
            ClearRows();
            return;
        }
        for (int row = 0; row < _rows.Count; row++)
        {
            Advance(row, _logits.AsSpan(row * vocabulary, vocabulary));
        }
        LeaveIf(request => request.Task.IsCompleted, _ => { });
    }

    private void Advance(int row, Span<float> logits)
    {
        var request = _rows[row];
        try
        {
            if (request.Advance(logits))
            {
                _tokens[row] = request.Search.Next[0].Token;
            }
        }
        catch (Exception e)
        {
            request.Fail(e);
        }
    }

    /// <summary>Runs a step with the adapters of its rows.</summary>
    private void Run(Func<bool> step)
    {
        _adapters ??= new MixedRows([.. _rows.Select(request => request.Adapter)]);
        if (_adapters.Single is { } one)
        {
            _model.Set.With(one, step);
        }
        else
        {
            _model.Set.WithRows(_adapters, checkpointing: false, step);
        }
    }

    /// <summary>Takes requests out of the batch.</summary>
    private void LeaveIf(Predicate<BatchRequest> condition, Action<BatchRequest> end)
    {
        for (int row = _rows.Count - 1; row >= 0; row--)
        {
            if (condition(_rows[row]))
            {
                end(_rows[row]);
                int last = _rows.Count - 1;
                (_rows[row], _tokens[row]) = (_rows[last], _tokens[last]);
                _rows.RemoveAt(last);
                _tokens.RemoveAt(last);
                _decoder.Leave(row);
                _adapters = null;
            }
        }
    }

    private void ClearRows()
    {
        _rows.Clear();
        _tokens.Clear();
        _decoder.Clear();
        _adapters = null;
    }

    private void End()
    {
        _rows.ForEach(Fail);
        ClearRows();
        Volatile.Write(ref _running, 0);
        lock (_gate)
        {
            foreach (var request in _queue)
            {
                Fail(request);
            }
            _queue.Clear();
        }
        _decoder.Dispose();

        static void Fail(BatchRequest request) => request.Fail(new ObjectDisposedException(nameof(ContinuousBatcher),
            "the batcher was disposed before this text was complete"));
    }
}
