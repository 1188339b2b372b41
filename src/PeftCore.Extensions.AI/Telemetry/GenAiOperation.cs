using System.Diagnostics;

namespace PeftCore.Extensions.AI;

/// <summary>One request in activities and metrics, from its start until it is disposed.</summary>
internal sealed class GenAiOperation : IDisposable
{
    private readonly Instruments _instruments;
    private readonly string _operation;
    private readonly string _model;
    private readonly Activity? _activity;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _lastChunk;
    private int? _inputTokens;
    private int? _outputTokens;
    private string? _error;
    private bool _isDisposed;

    /// <summary>Starts the activity.</summary>
    /// <param name="instruments">Receives the measurements.</param>
    /// <param name="operation">"chat" or "embeddings".</param>
    /// <param name="model">The model of the request.</param>
    public GenAiOperation(Instruments instruments, string operation, string model)
    {
        (_instruments, _operation, _model) = (instruments, operation, model);
        // The model runs in this process; the conventions then name the kind internal.
        _activity = Instruments.Source.StartActivity($"{operation} {model}", ActivityKind.Internal);
        Tag("gen_ai.operation.name", operation);
        Tag("gen_ai.provider.name", PeftCoreTelemetry.ProviderName);
        Tag("gen_ai.request.model", model);
    }

    /// <summary>Seconds since the start.</summary>
    public double Seconds => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    /// <summary>Adds an attribute to the activity, unless the value is null.</summary>
    public void Tag(string name, object? value)
    {
        if (value is not null)
        {
            _activity?.SetTag(name, value);
        }
    }

    /// <summary>A piece of a streamed answer was given.</summary>
    public void Chunk()
    {
        long now = Stopwatch.GetTimestamp();
        var instrument = _lastChunk == 0 ? _instruments.TimeToFirstChunk : _instruments.TimePerOutputChunk;
        instrument.Record(Stopwatch.GetElapsedTime(_lastChunk == 0 ? _start : _lastChunk, now).TotalSeconds, Tags());
        _lastChunk = now;
    }

    /// <summary>The request has ended well.</summary>
    public void Complete(int inputTokens, int? outputTokens = null)
    {
        (_inputTokens, _outputTokens) = (inputTokens, outputTokens);
        Tag("gen_ai.response.model", _model);
        Tag("gen_ai.usage.input_tokens", inputTokens);
        Tag("gen_ai.usage.output_tokens", outputTokens);
    }

    /// <summary>The request has failed.</summary>
    public void Fail(Exception exception)
    {
        _error = exception.GetType().FullName!;
        Tag("error.type", _error);
        _activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }
        _isDisposed = true;
        var tags = Tags();
        if (_error is not null)
        {
            tags.Add("error.type", _error);
        }
        _instruments.Duration.Record(Seconds, tags);
        RecordTokens("input", _inputTokens);
        RecordTokens("output", _outputTokens);
        _activity?.Dispose();
    }

    private void RecordTokens(string type, int? count)
    {
        if (count is { } tokens)
        {
            var tags = Tags();
            tags.Add("gen_ai.token.type", type);
            _instruments.TokenUsage.Record(tokens, tags);
        }
    }

    private TagList Tags() => new()
    {
        { "gen_ai.operation.name", _operation },
        { "gen_ai.provider.name", PeftCoreTelemetry.ProviderName },
        { "gen_ai.request.model", _model },
        { "gen_ai.response.model", _model },
    };
}
