# Starts RabbitMQ as its own scripts do, in half the time.
#
# RabbitMQ searches its whole plugin folder for every module that it loads, enabled or not, so it gets one without the optional plugins and
# their libraries, unless one of them is enabled. And it gets its node name from the command line: otherwise it first starts a second Erlang
# machine, only to bring up the port mapper, which runs here as a child that ends with the broker.
server=$(command -v rabbitmq-server)
home=$(readlink -f "$server")
home=${home%/sbin/rabbitmq-server}
read -r enabled <"$RABBITMQ_ENABLED_PLUGINS_FILE"
if [ "$enabled" = "[]." ] && [ -d "$home/plugins" ]; then
    mkdir -p lean/plugins
    ln -sfn "$home/sbin" lean/sbin
    ln -sfn "$home/escript" lean/escript
    for library in "$home"/plugins/*; do
        case ${library##*/} in
        rabbitmq_prelaunch-*) ;;
        rabbitmq_* | accept-* | amqp_client-* | amqp10_client-* | base64url-* | cow* | eetcd-* | gun-* | jose-*) continue ;;
        oauth2_client-* | prometheus-* | quantile_*) continue ;;
        esac
        ln -sfn "$library" lean/plugins/
    done
    export RABBITMQ_SCRIPTS_DIR="$PWD/lean/sbin"
fi
dist="-kernel inet_dist_use_interface {0,0,0,0} inet_dist_listen_min $RABBITMQ_DIST_PORT inet_dist_listen_max $RABBITMQ_DIST_PORT"
# One scheduler is enough for a test, and boots faster than one for each core.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 -name $RABBITMQ_NODENAME $dist $RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
epmd &
exec rabbitmq-server
