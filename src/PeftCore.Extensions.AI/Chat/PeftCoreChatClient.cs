using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PeftCore.Extensions.AI.Chat;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI;

/// <summary>Answers conversations with a causal language model or an encoder-decoder and its adapters. Any number of calls may run at once;
/// <see cref="ChatOptions.ModelId"/> names the base model or the adapter of each.
/// <code>
/// using IChatClient client = PeftCoreChatClient.FromDirectory("./Qwen3-0.6B");
/// await foreach (var update in client.GetStreamingResponseAsync("Tell me a story.", new ChatOptions { MaxOutputTokens = 100 }))
/// {
///     Console.Write(update.Text);
/// }
/// </code></summary>
/// <remarks>Honoured options: ModelId, Instructions, Temperature, TopP, TopK, Seed, MaxOutputTokens, StopSequences, Tools, ToolMode Auto
/// and None. Without a temperature the likeliest tokens are taken; without a seed one is drawn. Options that are not supported are refused
/// by name. AdditionalProperties are variables of the chat template, such as <c>enable_thinking</c>; those that it does not read have no
/// effect. RawRepresentationFactory may return <see cref="GenerationOptions"/>, which the other options then override.</remarks>
public sealed class PeftCoreChatClient : IChatClient
{
    private readonly PeftCoreModel _model;
    private readonly bool _ownsModel;
    private readonly string? _adapter;
    private readonly ILogger _logger;
    private readonly Instruments _instruments;
    private readonly ChatRequestReader _reader;
    private bool _isDisposed;

    /// <summary>Answers with a loaded model. The caller disposes the model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">The adapter of requests that name no model; null for the model's default.</param>
    /// <param name="loggers">Receives a line for each answer; null for no log.</param>
    /// <exception cref="BadInputException">The model writes no text, or its chat template is not known.</exception>
    public PeftCoreChatClient(PeftCoreModel model, string? adapter = null, ILoggerFactory? loggers = null)
        : this(model, adapter, loggers, Instruments.Shared, ownsModel: false) { }

    internal PeftCoreChatClient(PeftCoreModel model, string? adapter, ILoggerFactory? loggers, Instruments instruments, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Model.Base.Task is not (PeftCore.Models.ModelTask.CausalLm or PeftCore.Models.ModelTask.Seq2SeqLm))
        {
            throw new BadInputException($"{model.ModelId} is a model for {model.Model.Base.Task}, which writes no text; load a causal " +
                "language model or an encoder-decoder");
        }
        (_model, _adapter, _instruments, _ownsModel) = (model, adapter, instruments, ownsModel);
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<PeftCoreChatClient>();
        _reader = new ChatRequestReader(model, sentence => Log.Notice(_logger, sentence));
        Metadata = new ChatClientMetadata(PeftCoreTelemetry.ProviderName, null, model.NameOf(null, adapter));
    }

    /// <summary>The provider and the default model; also what GetService returns for this type.</summary>
    public ChatClientMetadata Metadata { get; }

    /// <summary>Loads a model and answers with it; disposing the client frees the model.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="loggers">Receives what is loaded, and a line for each answer; null for no log.</param>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static PeftCoreChatClient FromDirectory(string directory, ILoggerFactory? loggers = null) =>
        Load(new PeftCoreChatOptions { ModelDirectory = directory }, loggers);

    /// <summary>Loads a model with its adapters and answers with it; disposing the client frees the model.</summary>
    /// <param name="options">The model, its adapters and its template.</param>
    /// <param name="loggers">Receives what is loaded, and a line for each answer; null for no log.</param>
    /// <exception cref="BadInputException">An option is invalid, or a file is missing or damaged.</exception>
    public static PeftCoreChatClient Load(PeftCoreChatOptions options, ILoggerFactory? loggers = null)
    {
        var model = PeftCoreModel.Load(options, loggers);
        try
        {
            return new PeftCoreChatClient(model, adapter: null, loggers, Instruments.Shared, ownsModel: true);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Answers a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The model, sampling, stopping and tools; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the answer.</param>
    /// <exception cref="BadInputException">An option is not supported, or the conversation does not fit the model.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        await AnswerAsync(messages, options, isStreamed: false, cancellationToken).ToChatResponseAsync(cancellationToken)
            .ConfigureAwait(false);

    /// <summary>Answers a conversation token by token; the last update has the finish reason and the usage.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">The model, sampling, stopping and tools; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the answer.</param>
    /// <exception cref="BadInputException">An option is not supported, or the conversation does not fit the model.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        CancellationToken cancellationToken = default) => AnswerAsync(messages, options, isStreamed: true, cancellationToken);

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? Metadata
            : serviceType == typeof(PeftCoreModel) ? _model
            : serviceType == typeof(Tokenizer) ? _model.Tokenizer
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Frees the model if this client loaded it.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        if (_ownsModel)
        {
            _model.Dispose();
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> AnswerAsync(IEnumerable<ChatMessage> messages, ChatOptions? options,
        bool isStreamed, [EnumeratorCancellation] CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        string name = _model.NameOf(options?.ModelId, _adapter);
        using var operation = new GenAiOperation(_instruments, "chat", name);
        await using var updates = Updates(messages, options, operation, name, cancel).GetAsyncEnumerator(cancel);
        while (true)
        {
            try
            {
                if (!await updates.MoveNextAsync().ConfigureAwait(false))
                {
                    break;
                }
            }
            catch (Exception exception)
            {
                operation.Fail(exception);
                throw;
            }
            if (isStreamed)
            {
                operation.Chunk();
            }
            yield return updates.Current;
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Updates(IEnumerable<ChatMessage> messages, ChatOptions? options,
        GenAiOperation operation, string name, [EnumeratorCancellation] CancellationToken cancel)
    {
        var request = _reader.Read(messages, options, this);
        ChatTelemetry.Tag(operation, request.Generation);
        using var lease = _model.Lease(options?.ModelId, _adapter);
        var answer = new ChatAnswer(request, _model.Tokenizer, name);
        await foreach (var update in _model.Requests.StreamAsync(request.Prompt, request.Generation, lease.Adapter.Attached, cancel)
            .ConfigureAwait(false))
        {
            if (update.Result is { } result)
            {
                var last = answer.End(result);
                ChatTelemetry.Complete(operation, _logger, name, request, result, last, answer.HasBadCall);
                yield return last;
            }
            else if (answer.Add(update) is { } next)
            {
                yield return next;
            }
        }
    }
}
