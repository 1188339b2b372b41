using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
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
        ], new ApiKey(_options.ApiKey), _log);
        await using var app = Build();
        app.Run(router.Handle);
        await Start(app);
        started(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        await Stopped(stop);
        // Kestrel takes no new connections, and waits for the running requests; after the time limit it cancels them.
        await app.StopAsync(CancellationToken.None);
        return new ServerCounts(router.Counts.Answered, router.Counts.Failed, texts.NewTokens);
    }

    private WebApplication Build()
    {
        // An empty builder reads no environment variables and no appsettings.json, so that nothing but the flags decides where it listens.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = _options.MaxRequestBytes;
            kestrel.AllowSynchronousIO = false;
            if (_options.Host == "localhost" && _options.Port > 0)
            {
                kestrel.ListenLocalhost(_options.Port);
            }
            else
            {
                kestrel.Listen(AddressOf(_options.Host), _options.Port);
            }
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = _options.DrainTimeout);
        // Signals are the tool's.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        return builder.Build();
    }

    private async Task Start(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new BadInputException($"--host {_options.Host} --port {_options.Port} cannot be listened on: {e.Message.TrimEnd('.')}; " +
                "choose another port, or 0 for any free one.", e);
        }
    }

    private static IPAddress AddressOf(string host) => host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host, out var address) ? address
        : throw new BadInputException($"--host is \"{host}\", expected an IP address such as 127.0.0.1, or 0.0.0.0 for all.");

    private static async Task Stopped(CancellationToken stop)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = stop.Register(stopped.SetResult);
        await stopped.Task;
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
