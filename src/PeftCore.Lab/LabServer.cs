using PeftCore.Io;
using PeftCore.Lab.Engine;
using PeftCore.Lab.Http;
using PeftCore.Models;
using PeftCore.Server.Http;

namespace PeftCore.Lab;

/// <summary>The laboratory: a page on 127.0.0.1 that trains a model while one looks inside.</summary>
public sealed class LabServer(LabOptions options, TextWriter log)
{
    /// <summary>The largest body of a request in bytes: settings, a prompt included, are far smaller.</summary>
    private const long MaxRequestBytes = 16 << 10;

    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(5);

    /// <summary>Serves until it is told to stop.</summary>
    /// <param name="started">Called with the page's address, token included, when the server listens.</param>
    /// <param name="stop">Ends the server.</param>
    /// <exception cref="BadInputException">The port cannot be listened on, or model or data cannot be read.</exception>
    /// <returns>Requests that were answered, and others.</returns>
    public async Task<(long Answered, long Failed)> Run(Action<string> started, CancellationToken stop)
    {
        using var engine = new LabEngine(options);
        using var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(options.Model, "config.json")));
        var gate = new LabGate();
        var router = new Router(new LabEndpoints(engine, options, model, stop).All, gate.Check, new RequestLog(log));
        await HttpHost.Run("127.0.0.1", options.Port, MaxRequestBytes, Drain, router.Handle, url =>
        {
            gate.Open(new Uri(url).Port);
            started($"{url.TrimEnd('/')}/?{LabGate.Query}={gate.Token}");
        }, stop);
        return router.Counts;
    }
}
