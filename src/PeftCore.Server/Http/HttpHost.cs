using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace PeftCore.Server.Http;

/// <summary>Listens on one address over HTTP/1.1. No file and no environment variable changes how.</summary>
internal static class HttpHost
{
    /// <summary>Serves until it is told to stop, then lets running requests end.</summary>
    /// <param name="host">An IP address, or localhost.</param>
    /// <param name="port">The port; 0 for any free one.</param>
    /// <param name="maxRequestBytes">The largest body of a request.</param>
    /// <param name="drain">How long running requests may take to end; they are cancelled afterwards.</param>
    /// <param name="handle">Answers a request.</param>
    /// <param name="started">Called with the URL when the server listens.</param>
    /// <param name="stop">Ends the server.</param>
    /// <exception cref="BadInputException">The address cannot be listened on.</exception>
    public static async Task Run(string host, int port, long maxRequestBytes, TimeSpan drain, RequestDelegate handle,
        Action<string> started, CancellationToken stop)
    {
        await using var app = Build(host, port, maxRequestBytes, drain);
        app.Run(handle);
        await Start(app, host, port);
        started(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        await Stopped(stop);
        // Kestrel takes no new connections, and waits for the running requests; after the time limit it cancels them.
        await app.StopAsync(CancellationToken.None);
    }

    private static WebApplication Build(string host, int port, long maxRequestBytes, TimeSpan drain)
    {
        // An empty builder reads no environment variables and no appsettings.json, so that nothing but the flags decides where it listens.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = maxRequestBytes;
            kestrel.AllowSynchronousIO = false;
            if (host == "localhost" && port > 0)
            {
                kestrel.ListenLocalhost(port);
            }
            else
            {
                kestrel.Listen(AddressOf(host), port);
            }
        });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = drain);
        // Signals are the tool's.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        return builder.Build();
    }

    private static async Task Start(WebApplication app, string host, int port)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new BadInputException($"--host {host} --port {port} cannot be listened on: {e.Message.TrimEnd('.')}; " +
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
