using PeftCore.Server.Engine;
using PeftCore.Server.Http;

namespace PeftCore.Server;

/// <summary>Numbers of a server's run.</summary>
public sealed record ServerCounts(long Answered, long Failed, long NewTokens);

/// <summary>An OpenAI-compatible server over HTTP/1.1.</summary>
public sealed class ApiServer
{
    private readonly ServerOptions _options;
    private readonly ServedModel _served;
    private readonly AdapterDirectories _directories;
    private readonly int _mostAdapters;
    private readonly RequestLog _log;

    /// <param name="options">How to listen, and limits.</param>
    /// <param name="served">The model.</param>
    /// <param name="directories">Its adapters.</param>
    /// <param name="mostAdapters">The most adapters that are attached at once.</param>
    /// <param name="log">Receives a line for each request.</param>
    /// <exception cref="BadInputException">A name is not unique, or the host is no address.</exception>
    public ApiServer(ServerOptions options, ServedModel served, AdapterDirectories directories, int mostAdapters, TextWriter log)
    {
        directories.Check(served.Name);
        (_options, _served, _directories, _mostAdapters, _log) = (options, served, directories, mostAdapters, new RequestLog(log));
    }

    /// <summary>Serves until it is told to stop, then lets running requests end.</summary>
    /// <param name="started">Called with the URL when the server listens.</param>
    /// <param name="stop">Ends the server.</param>
    /// <exception cref="BadInputException">The address cannot be listened on.</exception>
    public async Task<ServerCounts> Run(Action<string> started, CancellationToken stop)
    {
        using var pool = new AdapterPool(_served.Model, _directories, _mostAdapters, _log.Write);
        using var engine = new BatchEngine(_options, _served, pool);
        using var embedder = new Embedder(_served);
        var admission = new Admission(_options.MaxConcurrent, _options.MaxQueue);
        var texts = new TextEndpoints(_options, _served, pool, engine, admission);
        var embeddings = new EmbeddingEndpoint(_options, _served, pool, embedder, admission);
        var models = new ModelEndpoints(_served, pool, admission);
        var router = new Router(
        [
            new Endpoint("POST", "/v1/chat/completions", texts.Chat),
            new Endpoint("POST", "/v1/completions", texts.Complete),
            new Endpoint("POST", "/v1/embeddings", embeddings.Embed),
            new Endpoint("GET", ModelEndpoints.Path, models.Models) { TakesName = true },
            new Endpoint("GET", "/health", models.Health) { IsOpen = true },
        ], new ApiKey(_options.ApiKey).Check, _log);
        await HttpHost.Run(_options.Host, _options.Port, _options.MaxRequestBytes, _options.DrainTimeout, router.Handle, started, stop);
        return new ServerCounts(router.Counts.Answered, router.Counts.Failed, texts.NewTokens);
    }
}
